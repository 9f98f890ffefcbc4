package proxy

import (
	"context"
	"runtime/debug"
	"time"
)

// trimEvery is how often trim looks, and crowd how many sessions more or fewer make it act.
const (
	trimEvery = 10 * time.Second
	crowd     = 500
)

// trim gives back, when a crowd has come or gone, what memory it took to let it in: a
// session that is quiet needs a small part of what it needs to log in. Left to itself
// the runtime keeps that until twice as much is needed. It does so once more the next time,
// for the last ones of the crowd.
func (s *Server) trim(ctx context.Context) {
	t := time.NewTicker(trimEvery)
	defer t.Stop()
	was, again := s.sessions.Load(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := s.sessions.Load()
		crowded := max(now-was, was-now) >= crowd
		if crowded || again {
			debug.FreeOSMemory()
			was = now
		}
		again = crowded
	}
}
