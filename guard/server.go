package guard

import (
	"context"
	"sync/atomic"

	"github.com/rowback/rowback/catalog"
)

// serverID is a server's identifier, once it is known: an entry that several
// proxies see is settled by its own server only.
type serverID struct{ is atomic.Pointer[string] }

// get returns "" while it is not known.
func (s *serverID) get() string {
	if is := s.is.Load(); is != nil {
		return *is
	}
	return ""
}

// askAgain asks for it whether it is known or not: the server may have been
// replaced by one of another cluster.
func (s *serverID) askAgain(ctx context.Context, q catalog.Querier) {
	if id, err := catalog.ServerID(ctx, q); err == nil && id != "" {
		s.is.Store(&id)
	}
}

// ask asks for it once. q's queries may fail without harm: a role that may not
// know gets no answer.
func (s *serverID) ask(ctx context.Context, q catalog.Querier) {
	if s.is.Load() != nil {
		return
	}
	if id, err := catalog.ServerID(ctx, q); err == nil || sqlState(err) != "" {
		s.is.Store(&id)
	}
}
