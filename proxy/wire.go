package proxy

import (
	"context"
	"errors"
	"net"
	"time"
)

// wire is the Wire of one message under judgement. It belongs to the
// client-reading goroutine.
type wire struct {
	r     *relay
	frame []byte          // the message under judgement
	base  <-chan struct{} // Done of the session's own context
	// acted: the run before the message has gone to the server, and the message
	// is out of the read buffer. Until then Forward just makes the run longer.
	acted     bool
	forwarded bool
	held      bool
	detached  bool   // the read buffer is not the one that frame is in
	received  int    // size in sin of the message that Receive returned last
	read      int    // size in cin of the message that ReadClient returned last
	out       []byte // for the server
	reply     []byte // for the client
	serverErr error
	clientErr error
}

// message lets the Session handle the message of the given size at end.
func (r *relay) message(ctx context.Context, size int) error {
	w := &r.wire
	*w = wire{r: r, frame: r.cin.buf[r.end : r.end+size], base: ctx.Done(), out: w.out[:0], reply: w.reply[:0]}
	err := r.judge.Message(ctx, w, w.frame[0], w.frame[headerLen:])
	if errors.Is(err, ErrCopyIn) {
		w.Forward()
		err = nil
	}
	if err = w.finish(err); err != nil {
		return err
	}
	w.frame = nil
	return nil
}

// act brings the run before the message out of the way.
func (w *wire) act() {
	if w.acted {
		return
	}
	w.acted = true
	w.fail(w.r.flushRun())
	if !w.forwarded {
		w.r.cin.r += len(w.frame)
		w.r.end = w.r.cin.r
	}
}

func (w *wire) fail(err error) {
	if w.serverErr == nil {
		w.serverErr = err
	}
}

func (w *wire) Forward() {
	switch {
	case w.forwarded:
	case w.acted:
		w.fail(w.r.note(w.frame[0]))
		w.out = append(w.out, w.frame...)
	default:
		w.r.types = append(w.r.types, w.frame[0])
		w.r.end += len(w.frame)
	}
	w.forwarded = true
}

func (w *wire) Send(typ byte, body []byte) {
	w.act()
	w.fail(w.r.note(typ))
	w.out = appendFrame(w.out, typ, body)
	if len(w.out) >= bufferSize {
		w.flushServer()
	}
}

func (w *wire) Quiesce(ctx context.Context) (failed bool, err error) {
	w.act()
	w.flushClient()
	w.release()
	w.r.mu.Lock()
	flush := w.r.pend.needFlush()
	w.r.mu.Unlock()
	if flush {
		w.out = appendFrame(w.out, 'H', nil)
	}
	w.flushServer()
	if w.serverErr != nil {
		return false, w.serverErr
	}
	defer w.wakeOn(ctx)()
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.serverErr != nil:
			return false, r.serverErr
		case r.cause != nil:
			return false, errors.Join(errEnded, r.cause)
		case ctx.Err() != nil:
			return false, ctx.Err()
		case r.pend.quiet() && !r.relaying && !r.scan.cut():
			w.held, r.held = true, true
			return r.pend.discarding, nil
		case r.pend.copyIn:
			return false, ErrCopyIn
		}
		r.cond.Wait()
	}
}

func (w *wire) TxStatus() byte {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.pend.tx
}

func (w *wire) Parameter(name string) string {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.params[name]
}

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
			w.flush()
			if err := w.await(ctx); err != nil {
				return 0, nil, err
			}
		}
		in, size := r.sin.bytes(), 0
		if len(in) >= headerLen {
			if size, err = frameSize(in, r.srv.o.MaxMessage); err != nil {
				return 0, nil, err
			}
		}
		if size == 0 || len(in) < size {
			w.flush()
			if err := w.fill(ctx, r.sin); err != nil {
				return 0, nil, err
			}
			continue
		}
		typ, body = in[0], in[headerLen:size]
		w.received = size
		if typ == 'D' || typ == 'd' {
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
		case typ == 'N' || typ == 'A' || typ == 'S':
			w.queueReply(typ, body)
			w.drop()
		default:
			return typ, body, nil
		}
	}
}

// drop uses up the message that Receive returned last.
func (w *wire) drop() {
	if w.received > 0 {
		w.r.sin.r += w.received
		w.received = 0
	}
}

// owns reports whether the server's read buffer is ours.
func (w *wire) owns() bool {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.parked
}

// await waits until the server has sent something and its reading goroutine is
// parked; from then on the server is read here.
func (w *wire) await(ctx context.Context) error {
	defer w.wakeOn(ctx)()
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.parked {
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

func (w *wire) Reply(typ byte, body []byte) error {
	if !w.held {
		return errors.New("Reply needs a successful Quiesce before it")
	}
	w.queueReply(typ, body)
	return w.clientErr
}

func (w *wire) queueReply(typ byte, body []byte) {
	if w.clientErr != nil {
		return
	}
	w.reply = appendFrame(w.reply, typ, body)
	if len(w.reply) >= bufferSize {
		w.flushClient()
	}
}

func (w *wire) ReadClient(ctx context.Context) (typ byte, body []byte, err error) {
	w.act()
	w.flush()
	r := w.r
	if !w.detached { // what Message was given stays as it is
		w.detached = true
		rest := r.cin.bytes()
		r.cin.buf = make([]byte, max(bufferSize, len(rest)))
		r.cin.r, r.cin.w = 0, copy(r.cin.buf, rest)
	}
	r.cin.r += w.read
	w.read = 0
	for {
		in, size := r.cin.bytes(), 0
		if len(in) >= headerLen {
			if !clientTypes[in[0]] {
				return 0, nil, invalidType(in[0])
			}
			if size, err = frameSize(in, r.srv.o.MaxMessage); err != nil {
				return 0, nil, err
			}
		}
		if size > 0 && len(in) >= size {
			w.read = size
			r.terminated = in[0] == 'X'
			return in[0], in[headerLen:size], nil
		}
		if err := w.fill(ctx, r.cin); err != nil {
			return 0, nil, err
		}
	}
}

// finish ends the exchange: what is queued is sent, and what the server still
// has to answer flows to the client.
func (w *wire) finish(err error) error {
	if !w.forwarded || w.acted || err != nil {
		w.act()
		w.r.cin.r += w.read
		w.r.end = w.r.cin.r
		w.drop()
		w.flushClient()
		if err == nil {
			w.release()
			w.flushServer()
		}
	}
	w.out, w.reply = shrink(w.out), shrink(w.reply)
	switch {
	case err != nil:
		return err
	case w.serverErr != nil:
		return w.serverErr
	case w.clientErr != nil:
		return w.clientErr
	}
	return nil
}

// shrink gives a grown buffer back.
func shrink(b []byte) []byte {
	if cap(b) > 4*bufferSize {
		return nil
	}
	return b[:0]
}

// release gives the server's messages back to the client.
func (w *wire) release() {
	if !w.held {
		return
	}
	w.drop()
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	w.held, r.held, r.parked = false, false, false
	if r.pend.idle() {
		r.checkDrainLocked()
	}
	r.cond.Broadcast()
}

func (w *wire) flush() {
	w.flushServer()
	w.flushClient()
}

func (w *wire) flushServer() {
	if len(w.out) > 0 && w.serverErr == nil {
		w.fail(w.r.writeServer(w.out))
	}
	w.out = shrink(w.out)
}

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
	case err == nil:
		return nil
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
