package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rowback/rowback/internal/sparing"
)

// Server accepts clients and relays their sessions.
type Server struct {
	o    Options
	legs atomic.Pointer[legs]
	keys cancelKeys

	files     files
	newcomers *newcomers
	strangers sparing.Lines // with lines about connections that came to nothing

	mu       sync.Mutex
	listener net.Listener
	relays   map[*relay]struct{}
	admitted admission
	draining bool
	stopAll  context.CancelFunc // ends all; set once Serve runs
	stopNew  context.CancelFunc // ends connections that have not sent their startup packet; likewise
	done     chan struct{}      // closed when Serve has returned
	conns    sync.WaitGroup     // one for each accepted connection

	watch func(*roles) context.CancelFunc // while Serve runs; guarded by mu

	loops []*loop // of sessions without TLS; none but on Linux
	turn  atomic.Uint64

	strays                      atomic.Int64 // cancel requests of other proxies' sessions, or of nobody's
	elsewhere, judged           lane         // theirs to Options.Elsewhere and to the judge
	sessions                    atomic.Int64
	accepted, refused, canceled atomic.Uint64
}

// Stats are counters since the start, except Sessions.
type Stats struct {
	Sessions int64  // sessions now: from the startup packet to the end
	Accepted uint64 // connections accepted
	Refused  uint64 // sessions that ended before the server was ready for queries
	Canceled uint64 // cancel requests passed on
}

// Stats may be called at any time.
func (s *Server) Stats() Stats {
	return Stats{s.sessions.Load(), s.accepted.Load(), s.refused.Load(), s.canceled.Load()}
}

// New checks the options; it opens nothing.
func New(o Options) (*Server, error) {
	o.setDefaults()
	if _, _, err := ListenAddr(o.Listen); err != nil {
		return nil, err
	}
	s := &Server{o: o, files: openFiles(), relays: map[*relay]struct{}{}, done: make(chan struct{}), elsewhere: newLane(), judged: newLane()}
	s.newcomers = newNewcomers(s.places)
	apply, err := s.Reload(o.TLS, o.RequireTLS)
	if err != nil {
		return nil, err
	}
	apply()
	return s, nil
}

// Serve accepts clients until Drain or Retire is called or ctx ends, and returns when
// every session has ended. The end of ctx ends all sessions at once. It calls
// Listen if that was not done. A Server serves once.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	defer close(s.done)
	ctx, stopAll := context.WithCancel(ctx)
	defer stopAll()
	starting, stopNew := context.WithCancel(ctx)
	defer stopNew()
	unwatched := s.watching(ctx)
	var trimming sync.WaitGroup
	trimming.Go(func() { s.trim(ctx) })
	defer func() {
		stopAll()
		unwatched()
		trimming.Wait()
	}()
	stop := context.AfterFunc(ctx, func() {
		s.closeListener()
		s.endAll()
	})
	defer stop()
	loops := s.o.Loops
	if loops == 0 {
		loops = HalfOfProcessors()
	}
	for range loops {
		if l, err := newLoop(s.o.Loops > 0); err == nil {
			s.loops = append(s.loops, l)
			defer l.close()
		}
	}
	s.mu.Lock()
	s.stopAll, s.stopNew = stopAll, stopNew
	s.mu.Unlock()
	err := s.accept(ctx, starting)
	s.conns.Wait()
	return errors.Join(err, s.closeListener())
}

// loop is where the next session goes; nil: nowhere.
func (s *Server) loop() *loop {
	if len(s.loops) == 0 {
		return nil
	}
	return s.loops[s.turn.Add(1)%uint64(len(s.loops))]
}

func (s *Server) accept(ctx, starting context.Context) error {
	for pause := time.Duration(0); ; {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accepted.Add(1)
			if t, ok := c.(*net.TCPConn); ok && s.o.Listener != nil { // as Listen's own are
				_ = t.SetKeepAliveConfig(keepAlive)
			}
			at, err := s.newcomers.admit(ctx, c)
			if err != nil {
				c.Close()
				return nil
			}
			s.conns.Add(1)
			go func() {
				defer at.leave()
				if !s.serveConn(ctx, starting, at) {
					s.conns.Done()
				}
			}()
			continue
		case errors.Is(err, net.ErrClosed):
			return nil
		}
		// Out of file descriptors, mostly: sessions that end make room.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.o.Logger.Error("cannot accept a connection", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// serveConn handles one connection from its first byte to its end, and closes
// it; unless it becomes a session on a loop (then true). It leaves its place once it is a session.
func (s *Server) serveConn(ctx, starting context.Context, at place) bool {
	c := at.conn()
	defer c.Close()
	log := s.o.Logger.With("client", clientAddr(c))
	c.SetDeadline(time.Now().Add(s.o.StartupTimeout))
	stop := context.AfterFunc(starting, func() { c.SetDeadline(time.Unix(1, 0)) })
	legs, left := s.join()
	defer left()
	first, err := s.readStartup(c, legs)
	stop()
	if first.cancel != nil {
		at.says(stateCancel)
	} else if !at.says(stateStartup) {
		s.refused.Add(1)
		err = errSentAway
	}
	if err != nil {
		if first.conn != nil {
			defer first.conn.Close()
			lastWord(first.conn, err)
		}
		if !errors.Is(err, errClientGone) {
			s.strangers.Warn(log, "connection refused", "error", err)
		}
		return false
	}
	onLoop := false
	defer func() {
		if !onLoop {
			first.conn.Close()
		}
	}()
	if first.cancel != nil {
		if err := s.cancel(ctx, first.cancel); err != nil {
			s.strangers.Warn(log, "cancel request failed", "error", err)
		}
		return false
	}
	onLoop = s.serveSession(ctx, first, at.leave)
	return onLoop
}
