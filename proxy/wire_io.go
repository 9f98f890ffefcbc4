package proxy

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/rowback/rowback/internal/budget"
)

// shrink gives a grown buffer back.
func shrink(b []byte) []byte {
	if cap(b) > 4*bufferSize {
		return nil
	}
	return b[:0]
}

func (w *wire) flush() {
	w.flushServer()
	w.flushClient()
}

// flushWaiting is flush before the server is waited for.
func (w *wire) flushWaiting() {
	w.flushServer()
	if !w.syncing {
		w.flushClient()
	}
}

func (w *wire) flushServer() {
	out := w.out
	if w.long != nil {
		for _, b := range [][]byte{out[:w.longAt], w.long} {
			if len(b) > 0 && w.serverErr == nil {
				w.fail(w.r.writeServer(b))
			}
		}
		out, w.long = out[w.longAt:], nil
	}
	if len(out) > 0 && w.serverErr == nil {
		w.fail(w.r.writeServer(out))
	}
	w.out = shrink(w.out)
}

// Push implements Wire.
func (w *wire) Push() { w.flushServer() }

func (w *wire) flushClient() {
	if len(w.reply) > 0 && w.clientErr == nil {
		w.clientErr = w.r.writeClient(w.reply)
	}
	w.reply = shrink(w.reply)
}

// fill reads into b until ctx ends.
func (w *wire) fill(ctx context.Context, b *inbuf) error {
	stop := w.interruptOn(ctx, b.conn)
	err := b.fill()
	stop()
	switch {
	case err == nil || errors.Is(err, budget.ErrFull):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case b == w.r.cin:
		w.clientErr = errors.Join(errClientGone, err)
		return w.clientErr
	}
	w.serverErr = errors.Join(errServerGone, err)
	return w.serverErr
}

// interruptOn makes reads of c fail when ctx ends, and reads work again once
// the returned function has been called. The session's own context needs
// nothing: its end closes the session.
func (w *wire) interruptOn(ctx context.Context, c net.Conn) (stop func()) {
	if ctx.Done() == w.base {
		return func() {}
	}
	fired := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		c.SetReadDeadline(time.Unix(1, 0))
		close(fired)
	})
	return func() {
		if cancel() {
			return
		}
		<-fired
		w.r.mu.Lock()
		defer w.r.mu.Unlock()
		if w.r.cause == nil {
			c.SetReadDeadline(time.Time{})
		}
	}
}

// wakeOn wakes waiters on cond when ctx ends.
func (w *wire) wakeOn(ctx context.Context) (stop func() bool) {
	if ctx.Done() == w.base {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() {
		w.r.mu.Lock()
		defer w.r.mu.Unlock()
		w.r.cond.Broadcast()
	})
}
