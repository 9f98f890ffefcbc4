package guard

import (
	"context"

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
		return false, receiveClosed(ctx, w)
	}
	block := s.inBlock(w)
	switch {
	case s.tx != nil && s.tx.implicit && !block:
		s.drop()
	case s.tx != nil:
		s.tx.implicit = s.tx.implicit && !block
	}
	return true, closeUp(ctx, w, private)
}

// closeUp sends the Sync after an error, and closes a statement that the error may have
// left behind. The client is told that the server is ready.
func closeUp(ctx context.Context, w proxy.Wire, statement string) error {
	w.Send('S', nil)
	w.Send('C', target('S', statement))
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
