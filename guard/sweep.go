package guard

import (
	"context"
	"errors"

	"github.com/rowback/rowback/proxy"
)

// sweep closes the private statement that an error has left behind, at the Sync
// after it: before that the server discards a Close. done: the Sync was sent as well,
// and the client told.
func (s *session) sweep(ctx context.Context, w proxy.Wire) (done bool, err error) {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return false, err
	}
	s.litter = false
	if !failed {
		w.Send('C', target('S', private))
		w.Send('H', nil)
		err := receiveClosed(ctx, w)
		if !errors.Is(err, errServer) {
			return false, err
		}
		// A cancel request came just then: the client is told, as of any error.
		if err := s.fault(w, err); !errors.Is(err, errFailed) {
			return false, err
		}
		s.litter = false
	}
	block := s.inBlock(w)
	switch {
	case s.tx != nil && s.tx.implicit && !block:
		s.drop()
	case s.tx != nil:
		s.tx.implicit = s.tx.implicit && !block
	}
	return true, closeUp(ctx, w, target('S', private))
}

// syncFailed ends an exchange that has failed, in which the client sends no Sync.
func (s *session) syncFailed(ctx context.Context, w proxy.Wire) error {
	if s.litter {
		s.litter = false
		return closeUp(ctx, w, target('S', private))
	}
	w.Send('S', nil)
	return nil
}

// syncThrough sends a Sync of which the client is not told, and waits for the server's answer.
func syncThrough(ctx context.Context, w proxy.Wire) error {
	w.Send('S', nil)
	return ready(ctx, w)
}

// ready reads up to ReadyForQuery.
func ready(ctx context.Context, w proxy.Wire) error {
	for {
		typ, _, err := w.Receive(ctx)
		if err != nil || typ == 'Z' {
			return err
		}
	}
}

// closeUp sends the Sync after an error, and closes what the error may have left behind:
// the private statement, the unnamed one of a Query. The client is told that the server
// is ready.
func closeUp(ctx context.Context, w proxy.Wire, left ...[]byte) error {
	defer w.Unmute(w.Mute(own))
	w.Send('S', nil)
	for _, what := range left {
		w.Send('C', what)
	}
	w.Send('S', nil)
	for ends := 0; ; {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		if typ == 'Z' {
			if ends++; ends == 2 {
				return w.Reply(typ, body)
			}
		}
	}
}
