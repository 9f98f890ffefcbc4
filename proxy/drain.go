package proxy

import (
	"context"
	"maps"
	"slices"
)

// Drain stops accepting, ends each session as soon as it is idle (outside of a
// transaction, nothing under way) with SQLSTATE 57P01, and returns when Serve
// has returned. When ctx ends, or DrainTimeout has passed, or Drain is called
// again meanwhile, the sessions left are ended at once; the error says so.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	again := s.draining
	s.draining = true
	stopAll, stopNew := s.stopAll, s.stopNew
	relays := slices.Collect(maps.Keys(s.relays))
	s.mu.Unlock()
	err := s.closeListener()
	if stopAll == nil { // Serve has not run
		return err
	}
	if again {
		stopAll()
		<-s.done
		return err
	}
	stopNew()
	for _, r := range relays {
		r.drain()
	}
	if s.o.DrainTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.o.DrainTimeout)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, stopAll)
	defer stop()
	<-s.done
	return ctx.Err()
}

// endAll ends all sessions at once. None waits for another's TLS to say farewell.
func (s *Server) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.relays {
		go r.stop(errShutdown)
	}
}
