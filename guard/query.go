package guard

import (
	"context"
	"errors"
	"slices"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// query handles a simple Query. Unless nothing in it matters, it runs one
// statement at a time in the extended protocol, so that the commit of its
// implicit transaction (the Sync) can be held back.
func (s *session) query(ctx context.Context, w proxy.Wire, body []byte) error {
	sql, _, _ := cut(body)
	a, err := s.analyse(ctx, w, sql)
	if err != nil {
		return err
	}
	if a.plain && !s.unfinished() || s.tx == nil && len(a.stmts) == 1 && a.stmts[0].route == routeControl && !finishesPrepared(a.stmts[0].Verb) {
		s.renamesEnd()
		w.Forward()
		return nil
	}
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	ends := !failed && s.endsWith(w)
	if a.plain {
		s.renamesEnd()
		if ends {
			return s.commitImplicit(ctx, w, 'Q', body, nil)
		}
		w.Forward()
		return nil
	}
	// In the middle of a failed extended exchange the server discards it; in a
	// failed block it refuses all but the end of the block.
	if failed || w.TxStatus() == 'E' && !slices.ContainsFunc(a.stmts, func(st judged) bool { return st.route == routeControl }) {
		w.Forward()
		return nil
	}
	if len(a.stmts) == 1 && a.stmts[0].route == routePlain && !ends {
		return s.note(ctx, w, body, a.stmts[0])
	}
	if told, err := s.misspelt(ctx, w, sql, a.stmts); told || err != nil {
		return err
	}
	u := unrolled{s: s, w: w, block: s.inBlock(w), aborted: w.TxStatus() == 'E'}
	for _, st := range a.stmts {
		if err = u.statement(ctx, st); err != nil {
			break
		}
	}
	switch {
	case errors.Is(err, errEnded):
		return nil
	case err != nil && !errors.Is(err, errFailed):
		return err
	}
	return u.end(ctx, err != nil)
}

// finishesPrepared: afterwards an entry in doubt can be settled.
func finishesPrepared(v sqlparse.Verb) bool {
	return v == sqlparse.CommitPrepared || v == sqlparse.RollbackPrepared
}

// note runs a lone statement as the Query it is, and notes what it changed.
func (s *session) note(ctx context.Context, w proxy.Wire, body []byte, st judged) error {
	w.Send('Q', body)
	ok := true
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case 'E':
			ok = false
		case 'Z':
			if ok {
				s.changed(st)
			}
		}
		if err := w.Reply(typ, body); err != nil || typ == 'Z' {
			return err
		}
		if typ == 'G' {
			if err := copyIn(ctx, w); err != nil {
				return err
			}
		}
	}
}
