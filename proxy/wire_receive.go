package proxy

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/rowback/rowback/internal/budget"
)

func (w *wire) Receive(ctx context.Context) (typ byte, body []byte, err error) {
	if !w.held {
		return 0, nil, errors.New("Receive needs a successful Quiesce before it")
	}
	r := w.r
	w.drop()
	for {
		if w.serverErr != nil {
			return 0, nil, w.serverErr
		}
		if !w.owns() {
			w.flushWaiting()
			if err := w.await(ctx); err != nil {
				return 0, nil, err
			}
		}
		typ, body, size, err := w.next(func() error {
			w.flushWaiting()
			return w.fill(ctx, r.sin)
		})
		switch {
		case errors.Is(err, budget.ErrFull) && isRow(r.sin.bytes()[0]):
			return 0, nil, w.loseRow(ctx)
		case err != nil:
			return 0, nil, err
		}
		w.received = size
		if isRow(typ) {
			return typ, body, nil
		}
		r.mu.Lock()
		r.notice(typ, body)
		r.mu.Unlock()
		switch {
		case typ == 'E' && isFatal(body): // said to the client as it is
			w.queueReply(typ, body)
			w.serverErr = errServerSaidWhy
			w.drop()
		case asynchronous(typ):
			w.say(typ, body)
			w.drop()
		default:
			return typ, body, nil
		}
	}
}

// next is the server's next message, which stays in its read buffer; fill reads more.
func (w *wire) next(fill func() error) (typ byte, body []byte, size int, err error) {
	for r := w.r; ; {
		in := r.sin.bytes()
		if len(in) >= headerLen {
			if size, err = frameSize(in, r.srv.o.MaxMessage); err != nil {
				return 0, nil, 0, err
			}
			if len(in) >= size {
				return in[0], in[headerLen:size], size, nil
			}
			r.sin.need = size
		}
		if err := fill(); err != nil {
			return 0, nil, 0, err
		}
	}
}

// isRow: DataRow, or one of COPY.
func isRow(typ byte) bool { return typ == 'D' || typ == 'd' }

// loseRow reads over the row that comes next.
func (w *wire) loseRow(ctx context.Context) error {
	size, err := frameSize(w.r.sin.bytes(), w.r.srv.o.MaxMessage)
	if err == nil {
		err = w.r.sin.discard(size, func() error { return w.fill(ctx, w.r.sin) })
	}
	return cmp.Or(err, ErrRowLost)
}

// asynchronous: the server may send it at any time, beside the answers.
func asynchronous(typ byte) bool { return typ == 'N' || typ == 'A' || typ == 'S' }

// say passes an asynchronous message on, unless it is a notice that is muted.
func (w *wire) say(typ byte, body []byte) {
	switch {
	case typ == 'N' && w.mute != nil && w.mute(body):
	case strings.IndexByte(w.trails, typ) >= 0:
		w.trail = appendFrame(w.trail, typ, body)
	default:
		w.queueReply(typ, body)
	}
}

// drop uses up the message that Receive returned last.
func (w *wire) drop() {
	if w.received > 0 {
		w.r.sin.r += w.received
		w.received, w.r.sin.need = 0, 0
	}
}

// owns reports whether the server's read buffer is ours.
func (w *wire) owns() bool {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.parkedLocked()
}

// parkedLocked reports whether nobody else reads the server.
func (r *relay) parkedLocked() bool {
	if r.loop != nil {
		return r.held && !r.toClient.busy
	}
	return r.parked
}

// await waits until the server has sent something and its reading goroutine is
// parked; from then on the server is read here.
func (w *wire) await(ctx context.Context) error {
	defer w.wakeOn(ctx)()
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.parkedLocked() {
		switch {
		case r.serverErr != nil:
			return r.serverErr
		case r.cause != nil:
			return errors.Join(errEnded, r.cause)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		r.cond.Wait()
	}
	return nil
}
