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
	sql, rest, whole := cut(body)
	a, err := &analysis{plain: true}, error(nil)
	if whole && len(rest) == 0 { // else the server refuses it, and runs nothing of it
		if a, err = s.analyse(ctx, w, sql); errors.Is(err, errFailed) {
			return s.syncFailed(ctx, w)
		} else if err != nil {
			return err
		}
		a = s.withCursors(a)
	}
	if passes := len(a.stmts) == 1 && s.passes(a.stmts[0]); passes || a.plain && !s.amid() {
		if s.endOfQuery(); passes {
			s.viewEndsBy(a.stmts[0].Verb)
		}
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
		if !failed {
			return s.through(ctx, w, 'Q', body, nil)
		}
		w.Forward()
		return nil
	}
	// In the middle of a failed extended exchange the server discards it; in a
	// failed block it refuses all but the end of the block.
	if failed || s.aborted(w) && !slices.ContainsFunc(a.stmts, func(st judged) bool { return st.route == routeControl }) {
		w.Forward()
		return nil
	}
	if !ends && s.together(w, a.stmts) {
		return s.asOne(ctx, w, body, a.stmts)
	}
	if told, err := s.misspelt(ctx, w, sql, a.stmts); told || err != nil {
		return err
	}
	w.Trail("A")
	u := unrolled{s: s, w: w, block: s.inBlock(w), aborted: s.aborted(w), several: len(a.stmts) > 1, begun: s.hasRun}
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
	return u.end(ctx, err)
}

// together reports whether statements may run as the one Query that they are: none is
// judged, and none makes a later one delete, or what is deferred to the end. Several do
// only if one needs the block that they are for the server: nobody looks at the catalog
// between them.
func (s *session) together(w proxy.Wire, stmts []judged) bool {
	if len(stmts) == 1 {
		return stmts[0].route == routePlain
	}
	block := s.inBlock(w)
	if block || blocksPipelines(w) {
		return false
	}
	needed := false
	for _, st := range stmts {
		if st.route != routePlain && !s.passes(st) || st.CommitsItself || st.Prepares || st.DDL && !st.Shapes {
			return false
		}
		needed = needed || !block && (st.Block || st.Verb == sqlparse.PrepareTransaction)
		switch st.Verb {
		case sqlparse.Begin:
			block = true
		case sqlparse.Commit, sqlparse.Rollback, sqlparse.PrepareTransaction:
			block = st.Chain
		}
	}
	return needed
}

// asOne sends the Query that they are, and notes what they may have changed: of several
// some may have committed before one failed.
func (s *session) asOne(ctx context.Context, w proxy.Wire, body []byte, stmts []judged) error {
	ran := len(stmts) > 1
	err := s.through(ctx, w, 'Q', body, func() { ran = true })
	if !ran {
		return err
	}
	for _, st := range stmts {
		if s.passes(st) {
			s.endOfQuery()
			s.viewEndsBy(st.Verb)
		}
		s.changed(st)
	}
	return err
}

// finishesPrepared: afterwards an entry in doubt can be settled.
func finishesPrepared(v sqlparse.Verb) bool {
	return v == sqlparse.CommitPrepared || v == sqlparse.RollbackPrepared
}
