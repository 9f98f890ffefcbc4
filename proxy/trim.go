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
// the runtime keeps that until twice as much is needed.
func (s *Server) trim(ctx context.Context) {
	t := time.NewTicker(trimEvery)
	defer t.Stop()
	was := s.sessions.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if now := s.sessions.Load(); max(now-was, was-now) >= crowd {
			debug.FreeOSMemory()
			was = now
		}
	}
}
