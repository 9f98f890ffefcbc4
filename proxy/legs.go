package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// legs are what a session is made of on both sides, as long as nothing is reloaded.
type legs struct {
	tls     *tls.Config // of the clients' side; nil: none
	tlsOnly bool        // no client without it, but on unix sockets
	hosts   []host
	roles   *roles        // nil: any host will do
	timeout time.Duration // of an attempt to reach a server
	random  bool          // hosts are tried in no order, and so are the addresses of each

	// newcomers are the connections that are to become sessions of these, or to be refused: roles
	// are watched for them also when others are in force. unwatch ends that; nil: nobody watches.
	// Both are guarded by Server.mu.
	newcomers int
	unwatch   context.CancelFunc

	modeGiven  bool      // see ModeGiven
	inTheClear sync.Once // says that sessions under TLS go on without it
}

// order is the order in which a session tries hosts that are alike.
func (l *legs) order(which []int) []int {
	if l.random {
		rand.Shuffle(len(which), func(i, j int) { which[i], which[j] = which[j], which[i] })
	}
	return which
}

// Reload reads the files that Options.Upstream names again. With apply what they
// hold is in force for clients to come, with t in place of Options.TLS, nil for none,
// and required of Options.RequireTLS. Sessions keep what they have.
func (s *Server) Reload(t *tls.Config, required bool) (apply func(), err error) {
	if required && t == nil {
		return nil, errors.New("TLS is required of clients, but there is no certificate for it: give one")
	}
	l, err := parseUpstream(s.o)
	if err != nil {
		return nil, err
	}
	if t != nil {
		t = t.Clone()
		t.NextProtos = []string{alpn}
		// As PostgreSQL: a client that a CA has been taken from must not get in by an old ticket.
		t.SessionTicketsDisabled = true
		t.DynamicRecordSizingDisabled = true // a message in one piece
	}
	l.tls, l.tlsOnly = t, required
	return func() { s.use(l) }, nil
}

// use puts l in force, and has its roles watched while s serves.
func (s *Server) use(l *legs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.legs.Swap(l)
	if l.roles != nil && s.watch != nil {
		l.unwatch = s.watch(l.roles)
	}
	s.disuse(was)
}

// join is what a connection that has come is to be made of, until it calls left.
func (s *Server) join() (l *legs, left func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l = s.legs.Load()
	l.newcomers++
	return l, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.newcomers--
		s.disuse(l)
	}
}

// disuse ends the watch of what is not in force, and that nobody waits for. s.mu is held.
func (s *Server) disuse(l *legs) {
	if l != nil && l.unwatch != nil && l.newcomers == 0 && l != s.legs.Load() {
		l.unwatch()
		l.unwatch = nil
	}
}

// watching has roles watched from now on; stop ends that, when ctx has ended.
func (s *Server) watching(ctx context.Context) (stop func()) {
	var watchers sync.WaitGroup
	s.mu.Lock()
	s.watch = func(r *roles) context.CancelFunc {
		ctx, cancel := context.WithCancel(ctx)
		watchers.Go(func() { r.watch(ctx) })
		return cancel
	}
	s.mu.Unlock()
	s.use(s.legs.Load())
	return func() {
		s.mu.Lock()
		s.watch = nil
		s.mu.Unlock()
		watchers.Wait()
	}
}
