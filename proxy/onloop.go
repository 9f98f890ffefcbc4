package proxy

import (
	"errors"
	"slices"

	"github.com/rowback/rowback/internal/budget"
)

// A session lives on a loop once it is ready.
// Its directions are worked on apart, each by one at a time: by the loop, which
// never waits and moves what needs no look; or by a goroutine, which takes over
// where there is something to wait for (a Session's exchange, a peer that reads
// slowly), and leaves when there is nothing more to read.

var (
	// errAgain: there is nothing to read now.
	errAgain error = nothing{}
	// errHeld: a Session has the server's messages.
	errHeld = errors.New("the server's messages are taken")
	// errResting: the direction has been left to the loop.
	errResting = errors.New("nothing to do")
)

// steps is how often the loop reads one connection in a row.
const steps = 4

// direction is one way through a session on a loop.
type direction struct {
	from, to *sock
	// busy: the loop or a goroutine works on it, and owns its read buffer. Guarded by relay.mu.
	busy bool
	// unseen: there is something in the read buffer that was left for a Session.
	unseen bool
	// over: nothing more comes this way; see departs.
	over bool
}

// settle puts a session that is ready on a loop, if it can live there. The
// caller then works on what the client sends.
func (r *relay) settle() (bool, error) {
	l := r.srv.loop()
	if l == nil {
		return false, nil
	}
	client, err := adopt(r.client, l)
	if err != nil {
		return false, nil
	}
	server, err := adopt(r.server, l)
	if err != nil {
		client.discard()
		return false, nil
	}
	client.session, server.session = r, r
	r.sin.keep()
	r.mu.Lock()
	was := []interface{ Close() error }{client.take(r.client), server.take(r.server)}
	r.client, r.server, r.loop = client, server, l
	r.cin.conn, r.sin.conn = client, server
	early := server.tls != nil // what it has deciphered already, no edge will tell of
	r.toServer, r.toClient = direction{from: client, to: server, busy: true}, direction{from: server, to: client, busy: early}
	cause := r.cause
	r.mu.Unlock()
	for _, c := range was { // their descriptors were copied
		_ = c.Close()
	}
	if early {
		defer func() { go r.workToClient(0, nil) }()
	}
	if cause != nil {
		return true, errEnded
	}
	return true, errors.Join(l.watch(client), l.watch(server))
}

// settled goes on with a session that settle has put on a loop.
func (r *relay) settled(err error) {
	size := 0
	r.end = r.cin.r
	if err == nil && len(r.cin.bytes()) > 0 { // what came with the last answer to the server's questions
		r.begin(r.ctx)
		size, err = r.scanClient()
	}
	r.workToServer(size, err)
}

// advance is called by the loop when s may be read. It returns false if a
// goroutine is to go on.
func (r *relay) advance(s *sock, buf []byte) bool {
	r.mu.Lock()
	d := &r.toServer
	if s == r.toClient.from {
		d = &r.toClient
	}
	mine := !d.busy && !d.over && r.cause == nil && !(d == &r.toClient && r.held)
	if mine {
		d.busy = true
	}
	r.mu.Unlock()
	switch {
	case !mine:
		return false
	case d == &r.toServer:
		return r.stepToServer(buf)
	}
	return r.stepToClient(buf)
}

// rest leaves a direction to the loop, unless there is something to do at once.
func (r *relay) rest(d *direction) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := d == &r.toClient && r.held
	if r.cause != nil || !held && (d.unseen || d.from.mayRead()) {
		return false
	}
	d.busy = false
	if held { // … and may be writing to the client, armed
		r.cond.Broadcast()
	} else {
		d.to.disarm()
	}
	return true
}

// leave ends a direction for good.
func (r *relay) leave(d *direction, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.busy = false
	if d == &r.toServer && r.departsLocked(err) {
		d.over = true
		return
	}
	r.stopLocked(err)
	r.endLocked()
}

// endLocked ends a session on a loop when nobody works on it any more.
func (r *relay) endLocked() {
	if r.loop == nil || r.cause == nil || r.ended || r.toServer.busy || r.toClient.busy {
		return
	}
	r.ended = true
	go func() {
		r.close()
		r.toServer.from.release()
		r.toServer.to.release()
		r.srv.conns.Done()
	}()
}

// stepToServer is the loop's work on what the client sends.
func (r *relay) stepToServer(buf []byte) bool {
	for range steps {
		if r.judge == nil && r.judged() || !r.cin.lend(buf) {
			break
		}
		r.end = r.cin.r
		size, err := 0, r.cin.tryFill()
		switch {
		case err == nil:
			if size, err = r.scanClient(); err == nil && size == 0 {
				err = r.tryFlushRun()
			}
		case err != errAgain:
			err = clientRead(err)
		}
		if size > 0 || r.terminated || r.end > r.cin.r || r.toServer.to.owes() || err != nil && err != errAgain {
			r.end -= r.cin.own()
			go r.workToServer(size, err)
			return false
		}
		r.cin.keep()
		r.cin.waits()
		r.end = r.cin.r
		if r.rest(&r.toServer) {
			return true
		}
	}
	go r.workToServer(0, nil)
	return false
}

// tryFlushRun writes of the run what fits.
func (r *relay) tryFlushRun() error {
	run := r.cin.buf[r.cin.r:r.end]
	if len(run) == 0 {
		return nil
	}
	if err := r.note(r.types...); err != nil {
		return err
	}
	r.types = r.types[:0]
	n, err := r.toServer.to.tryWrite(run)
	r.cin.r += n
	if err != nil {
		return errors.Join(errServerGone, err)
	}
	return nil
}

// workToServer goes on where the loop's step stopped, with what scanClient said.
func (r *relay) workToServer(size int, err error) {
	if owed := r.toServer.to.settleDebt(); owed != nil {
		err = errors.Join(err, errServerGone, owed)
	}
	if err = r.relayMessages(r.ctx, size, err); err != errResting {
		r.leave(&r.toServer, err)
	}
}

// stepToClient is the loop's work on what the server sends.
func (r *relay) stepToClient(buf []byte) bool {
	for range steps {
		if !r.sin.lend(buf) {
			break
		}
		n, err := 0, r.sin.tryFill()
		if err == nil || err == errAgain {
			n, err = r.scanServer()
		} else {
			err = errors.Join(errServerGone, err)
		}
		if n > 0 {
			m, writeErr := r.toClient.to.tryWrite(r.sin.buf[r.sin.r : r.sin.r+n])
			if m < n || writeErr != nil || err != nil || r.toClient.to.owes() {
				r.sin.r += m
				r.sin.own()
				go r.workToClient(n-m, err)
				return false
			}
			r.sin.r += n
			r.relayed()
		}
		if err != nil && err != errHeld {
			r.sin.own()
			go r.workToClient(0, err)
			return false
		}
		r.sin.keep()
		if r.rest(&r.toClient) {
			return err != errHeld
		}
	}
	go r.workToClient(0, nil)
	return false
}

// workToClient goes on where the loop's step stopped, with what scanServer said.
func (r *relay) workToClient(n int, err error) {
	if r.toClient.to.owes() {
		r.info.Memory.Waits(budget.Read)
		owed := r.toClient.to.settleDebt()
		if r.info.Memory.Moves(budget.Read, 0); owed != nil {
			err = errors.Join(err, r.clientLost(owed))
		} else if n == 0 {
			r.relayed()
		}
	}
	if err = r.relayAnswers(n, err); err != errResting {
		r.leave(&r.toClient, err)
	}
}

// releasedLocked: a Session has given the server's messages back.
func (r *relay) releasedLocked() {
	if r.loop == nil || r.toClient.busy {
		return
	}
	left := len(r.sin.bytes()) > 0
	r.sin.keep()
	if r.cause == nil && (left || r.toClient.from.mayRead()) {
		r.toClient.busy = true
		go func() { r.workToClient(r.scanServer()) }()
	}
}

// small: what waits in a read buffer for the rest of its message can be moved about.
func (b *inbuf) small() bool { return b.w-b.r <= bufferSize/2 }

// lend has b read into memory that is somebody else's, if what is in b leaves room there.
func (b *inbuf) lend(buf []byte) bool {
	if b.w-b.r > len(buf)/2 {
		return false
	}
	b.w = copy(buf, b.bytes())
	b.buf, b.r, b.lent = buf, 0, true
	return true
}

// own has b read into memory of its own, and returns how far to the front it moved what is in b.
func (b *inbuf) own() (moved int) {
	if !b.lent && len(b.buf) >= bufferSize {
		return 0
	}
	in, moved := b.bytes(), b.r
	b.buf = take(max(bufferSize, 2*len(in)))
	b.w = copy(b.buf, in)
	b.r, b.lent = 0, false
	return moved
}

// keep leaves b with as much memory as what is in it needs.
func (b *inbuf) keep() {
	in, was, lent := b.bytes(), b.buf, b.lent
	b.buf, b.r, b.w, b.lent = slices.Clone(in), 0, len(in), false
	b.settle()
	if !lent {
		giveBack(was)
	}
}
