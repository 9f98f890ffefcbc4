package guard

import (
	"context"

	"github.com/rowback/rowback/proxy"
)

// amid: a Query or a FunctionCall comes where a Sync is due. It ends an implicit
// transaction as that does, up to PostgreSQL 17. Since 18 a lone statement leaves the
// transaction open, and ReadyForQuery says T: it lingers until the Sync. (That Sync
// commits only if further messages came between; else the server forgets, and the
// session's next message fails and rolls all back. So nothing is taken for
// committed there before the server was asked.)
func (s *session) amid() bool { return !s.wasClean || s.lingers }

// through sends a Query or a FunctionCall as it is, and sees whether an implicit
// transaction lingers behind it. then, unless nil, is called if it succeeded. Only after
// Quiesce.
func (s *session) through(ctx context.Context, w proxy.Wire, typ byte, body []byte, then func()) error {
	block, ok := s.inBlock(w), true
	w.Send(typ, body)
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case 'E':
			ok = false
		case 'Z':
			if ok && then != nil {
				then()
			}
			s.lingering(block, body)
		}
		if err := w.Reply(typ, body); err != nil || typ == 'Z' {
			return err
		}
		if typ == 'G' {
			if err := w.CopyIn(ctx); err != nil {
				return err
			}
		}
	}
}

// lingering notes the ReadyForQuery of a message that begins no block; block: one was open before.
func (s *session) lingering(block bool, status []byte) {
	s.lingers = !block && len(status) == 1 && status[0] == 'T'
}
