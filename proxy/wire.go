package proxy

import (
	"context"
	"errors"
	"runtime/debug"
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
	quiesced  bool // Quiesce was asked for
	held      bool
	mute      func(body []byte) bool // see Mute; nil: nothing is muted
	syncing   bool                   // the client waits for the answer to a Sync; see Sync
	detached  bool                   // the read buffer is not the one that frame is in
	received  int                    // size in sin of the message that Receive returned last
	read      int                    // size in cin of what Skip used up
	out       []byte                 // for the server
	long      []byte                 // likewise, behind the first longAt bytes of that; not copied
	longAt    int
	reply     []byte // for the client
	trails    string // see Trail
	trail     []byte // what waits for ReadyForQuery then
	serverErr error
	clientErr error
}

// newWire is for the next message; there is none before the first. It keeps the buffers.
func (r *relay) newWire(ctx context.Context) *wire {
	if r.wire == nil {
		r.wire = new(wire)
	}
	w := r.wire
	*w = wire{r: r, base: ctx.Done(), out: w.out[:0], reply: w.reply[:0]}
	return w
}

// message lets the Session handle the message of the given size at end.
func (r *relay) message(ctx context.Context, size int) error {
	w := r.newWire(ctx)
	w.frame = r.cin.buf[r.end : r.end+size]
	err := r.judgement(ctx, w)
	if errors.Is(err, ErrCopyIn) {
		if err = nil; w.frame[0] == 'S' || w.frame[0] == 'H' {
			w.Forward()
		} else {
			w.misplace()
		}
	}
	if err = w.finish(err); err != nil {
		return err
	}
	w.frame = nil
	return nil
}

// misplace sends a message that does not belong into a COPY as its type alone, at which the
// server fails, and ends the session behind it: the server may have left the COPY already,
// and would run, unjudged, what it says.
func (w *wire) misplace() {
	w.act()
	w.fail(w.r.note(w.frame[0], 'X'))
	w.out = appendFrame(appendFrame(w.out, w.frame[0], nil), 'X', nil)
	w.r.terminated = true
}

// judgement lets the Session handle the message of w. Where that panics this session
// ends, and no other: what was not committed the server takes back.
func (r *relay) judgement(ctx context.Context, w *wire) (err error) {
	defer r.contain(&err)
	return r.judge.Message(ctx, w, w.frame[0], w.frame[headerLen:])
}

// contain makes a Session's panic the session's end.
func (r *relay) contain(err *error) {
	if p := recover(); p != nil {
		r.log().Error("a fault in rowback ends the session; please report it", "fault", p, "stack", string(debug.Stack()))
		*err = errFault
	}
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
		if len(w.frame) < bufferSize {
			w.out = append(w.out, w.frame...)
		} else { // is there until Message returns
			w.long, w.longAt = w.frame, len(w.out)
		}
	default:
		w.r.types = append(w.r.types, w.frame[0])
		w.r.end += len(w.frame)
	}
	w.forwarded = true
}

func (w *wire) Send(typ byte, body []byte) {
	w.act()
	w.fail(w.r.note(typ))
	if len(body) < bufferSize {
		w.out = appendFrame(w.out, typ, body)
		if len(w.out) >= bufferSize {
			w.flushServer()
		}
		return
	}
	// A long one is not copied: it goes now.
	w.out = appendHeader(w.out, typ, len(body))
	w.flushServer()
	if w.serverErr == nil {
		w.fail(w.r.writeServer(body))
	}
}

func (w *wire) Quiesce(ctx context.Context) (failed bool, err error) {
	if w.syncing && w.nothingLeft() {
		w.r.mu.Lock()
		defer w.r.mu.Unlock()
		return w.r.pend.discarding, nil
	}
	w.act()
	w.flushClient()
	w.release()
	w.r.mu.Lock()
	w.quiesced, w.r.judging = true, true
	flush := w.r.pend.needFlush() || w.r.scan.cut() // of a long answer the server keeps the end
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
		case r.answeredLocked():
			if !r.held {
				r.canceled = false
			}
			if r.pend.unsure && w.frame[0] != 'S' {
				return false, ErrCopyIn
			}
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

func (w *wire) Ignored() bool {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.pend.ignored
}

func (w *wire) OnIdle(f func()) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.r.onIdle = f
}

func (w *wire) Mute(notice func(body []byte) bool) (was func(body []byte) bool) {
	if was, w.mute = w.mute, notice; was != nil {
		w.mute = func(body []byte) bool { return was(body) || notice(body) }
	}
	return was
}

func (w *wire) Trail(types string) { w.trails = types }

func (w *wire) Unmute(was func(body []byte) bool) { w.mute = was }

func (w *wire) Parameter(name string) string {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.params.get(name)
}

// finish ends the exchange: what is queued is sent, and what the server still
// has to answer flows to the client.
func (w *wire) finish(err error) error {
	if !w.forwarded || w.acted || err != nil {
		w.act()
		w.r.cin.r += w.read
		w.r.end = w.r.cin.r
		w.drop()
		w.catchUp()
		w.flushClient()
		if err == nil {
			w.release()
			w.flushServer()
		}
	}
	w.judged()
	w.r.info.Memory.Done()
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
	r.releasedLocked()
	r.cond.Broadcast()
}

// judged: the exchange is over.
func (w *wire) judged() {
	if !w.quiesced {
		return
	}
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judging = false
	r.checkDrainLocked()
}
