package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// relay is one client joined to one server. Each direction has somebody who
// reads it (the client's also runs the Session) and writes through at once what
// was read, so it holds no more than its read buffer, and a peer that does not read
// stops the other side's reads. Sessions are on a loop (onloop.go), but for those that
// wait for GSSAPI tokens: there two goroutines do this.
type relay struct {
	srv     *Server
	legs    *legs
	ctx     context.Context // of the session
	info    Info
	opening *opening // nil once that is over
	client  net.Conn
	server  net.Conn
	ep      endpoint // what server is connected to

	// On a loop: it, and the two directions.
	loop               *loop
	toServer, toClient direction

	// Owned by who reads the client.
	cin        *inbuf
	end        int    // cin.buf[cin.r:end] is to be forwarded with the next write
	types      []byte // message types begun in it
	skip       int    // bytes of a message begun that are still to come
	asked      bool   // Wants has said yes to the message at end, not all of which is here
	terminated bool   // the client has sent Terminate
	physical   bool   // replication of the whole cluster: there is no SQL
	ofUser     bool   // it counts as its user's; guarded by Server.mu
	judge      Session
	wire       *wire // nil: nothing was under judgement yet

	// Owned by who reads the server; by who reads the client while parked.
	sin  *inbuf
	scan serverScan

	mu     sync.Mutex
	cond   sync.Cond // on mu: any change below
	pend   pending
	params parameters
	keys   []string // cancel keys that the server gave this session
	onIdle func()   // see Wire.OnIdle; nil: nothing
	ready  bool     // the first ReadyForQuery has gone to the client
	// relaying: the server-reading goroutine is writing to the client.
	relaying bool
	// held: a Session takes the server's messages. Then only the
	// client-reading goroutine writes to the client.
	held bool
	// judging: a message is under judgement that has asked for answers. A drain
	// waits for its end, also while it lets answers through to the client.
	judging bool
	// parked: the server-reading goroutine waits, held is true, and sin and
	// scan belong to the client-reading goroutine.
	parked bool
	// pausing: a Session waits for something else than the two peers; canceled: a
	// cancel request has come since held.
	pausing, canceled bool
	draining          bool
	ended             bool        // on a loop: nobody works on it, and nobody will
	clientBad         bool        // a message to the client was cut short: nothing can be said any more
	serverErr         error       // why no more can be read from the server
	cause             error       // why the session ends; the first reason stays
	lingering         *time.Timer // ends it, if the client has departed; see departs
}

// opening is what is needed until the session is on its server.
type opening struct {
	packet  []byte // the startup packet, as it came
	tls     bool   // the client's side is under TLS
	standby string // what the server is expected to say of in_hot_standby; "": anything
}

// serve runs a session whose client has sent its startup packet. It returns
// when the session has ended, or is on a loop (then true).
func (r *relay) serve(ctx context.Context) bool {
	r.ctx = ctx
	err := r.open(ctx)
	passed := false
	if err == nil {
		passed, err = r.authenticate(ctx)
	}
	if passed && err == nil {
		err = r.greet()
	}
	if passed && err == nil {
		r.opening = nil
		var settled bool
		if settled, err = r.settle(); settled {
			r.settled(err)
			return true
		}
	}
	if err == nil {
		err = r.run(ctx)
	}
	r.stop(err)
	r.close()
	return false
}

// close says and logs why the session has ended. Nobody works on it any more.
func (r *relay) close() {
	if r.judge != nil {
		func() {
			var err error
			defer r.contain(&err)
			r.judge.Close()
		}()
	}
	r.cin.free()
	if r.sin != nil {
		r.sin.free()
	}
	if r.legs.roles != nil {
		r.legs.roles.disembark(r)
	}
	r.mu.Lock()
	cause := r.cause
	if r.lingering != nil {
		r.lingering.Stop()
	}
	r.mu.Unlock()
	r.srv.leave(r)
	r.say(cause)
	ready := r.isReady()
	if !ready {
		r.srv.refused.Add(1)
	}
	switch {
	case errors.Is(cause, errTerminated), errors.Is(cause, errClientGone), errors.Is(cause, errShutdown):
		r.log().Debug("session ended", "reason", cause)
	case !ready:
		r.srv.strangers.Warn(r.log(), "session ended", "error", cause)
	default:
		r.log().Warn("session ended", "error", cause)
	}
}

// log says whose session a line is about.
func (r *relay) log() *slog.Logger {
	return r.srv.o.Logger.With("client", r.info.Client, "user", r.info.User, "database", r.info.Database)
}

// run relays an authenticated session by two goroutines until it ends.
func (r *relay) run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.stop(r.relayServer())
	}()
	err := r.relayClient(ctx)
	if !r.departs(err) {
		r.stop(err)
	}
	<-done
	return err
}

// stop ends the session: whoever reads or writes returns soon. The first reason
// stays. The client's connection is open still, for a last message.
func (r *relay) stop(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopLocked(err)
}

func (r *relay) stopLocked(err error) {
	if r.cause != nil {
		return
	}
	switch {
	case err == nil:
		err = errEnded
	case r.pend.closing && errors.Is(err, errServerGone): // as the client has asked
		err = errTerminated
	case !r.ready && errors.Is(err, os.ErrDeadlineExceeded):
		err = late(err)
	}
	r.cause = err
	r.cond.Broadcast()
	if r.server != nil {
		r.server.Close()
	}
	r.client.SetDeadline(time.Unix(1, 0))
	r.endLocked()
}

// late is the error of a session that was not ready within StartupTimeout,
// whoever was waited for.
func late(err error) error {
	if ce := (*clientError)(nil); errors.As(err, &ce) {
		return err
	}
	return &clientError{code: codeConnectionFailure, message: "the session was not ready for queries in time",
		hint: "The database server may be overloaded, or was waiting for the client to authenticate.", cause: errors.New(err.Error())}
}

// nextRead reads once into b. On a loop it does not wait: it leaves the
// direction to the loop (errResting), or finds that there was nothing (errAgain).
func (r *relay) nextRead(b *inbuf, d *direction) error {
	if r.loop == nil {
		return b.fill()
	}
	r.mu.Lock()
	held := d == &r.toClient && r.held
	r.mu.Unlock()
	if !held && !b.small() { // not to be moved about
		return b.fill()
	}
	b.keep()
	b.waits()
	if r.rest(d) {
		return errResting
	}
	if r.isOver() { // a connection whose deadline has passed would be found empty again and again
		return errEnded
	}
	return b.tryFill()
}

func (r *relay) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause != nil
}

// setReady ends the startup phase.
func (r *relay) setReadyLocked() {
	r.ready = true
	if r.cause == nil {
		r.client.SetDeadline(time.Time{})
		r.server.SetDeadline(time.Time{})
	}
	r.cond.Broadcast()
}

func (r *relay) isReady() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

// waitReady waits for the end of the startup phase.
func (r *relay) waitReady() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.ready && r.cause == nil {
		r.cond.Wait()
	}
	return r.cause
}

// drain ends the session as soon as it is idle.
func (r *relay) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
	r.cond.Broadcast()
	r.checkDrainLocked()
}

func (r *relay) checkDrainLocked() {
	if r.draining && r.ready && !r.held && !r.judging && r.betweenLocked() && (r.physical || r.info.Replication || r.pend.idle()) {
		r.stopLocked(errShutdown)
	}
}

// betweenLocked reports whether the client has whole messages only, and all
// that the bookkeeping knows of.
func (r *relay) betweenLocked() bool { return !r.relaying && !r.scan.cut() }

// answeredLocked reports whether the client has every answer to what was sent.
func (r *relay) answeredLocked() bool { return r.betweenLocked() && r.pend.quiet() }

// say tells the client why its session ended, unless the server has: who writes to that may
// have met its end first. No goroutine uses it any more.
func (r *relay) say(err error) {
	if !r.clientBad && !r.scan.fatal {
		lastWord(r.client, err)
	}
}

// lastWord writes the last message to a client, if there is one to write.
func lastWord(c net.Conn, err error) {
	if b := fatalFor(err); b != nil {
		c.SetDeadline(time.Now().Add(lastWordTimeout))
		c.Write(b)
	}
}

// lastWordTimeout bounds how long an ending session waits for a client that does not read.
const lastWordTimeout = 5 * time.Second

// note records messages about to be sent to the server.
func (r *relay) note(types ...byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause != nil {
		return errEnded
	}
	for _, t := range types {
		r.pend.push(t)
	}
	return nil
}

// clientRead says of an error of reading the client whose it is.
func clientRead(err error) error {
	if ce := (*clientError)(nil); errors.As(err, &ce) {
		return err
	}
	return errors.Join(errClientGone, err)
}
