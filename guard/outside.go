package guard

import (
	"context"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// vouchForNothing makes the evidence of a statement that the server runs in a
// transaction of its own, where nothing can be counted, and that goes through:
// DROP DATABASE. Its entry has no numbers; finished settles it. errFailed: it is
// refused, and the client told.
func (s *session) vouchForNothing(ctx context.Context, w proxy.Wire, st judged) error {
	rule := s.rules.strict()
	e := s.entry(journal.InDoubt)
	e.Alert, e.Rule = verbOf(st)+" may have removed rows that nobody could count: "+st.why, rule.Name
	var one removals
	one.add(st.Text, "")
	e.Statements = one.statements
	if err := s.j.o.Journal.Append(ctx, e, nil); err != nil {
		s.j.journalFailed(err)
		return s.refuse(ctx, w, noEvidenceError(err.Error()))
	}
	s.outside = e
	return nil
}

// finished settles the entry of a statement that ran outside any transaction.
func (s *session) finished(ctx context.Context, failed bool) {
	e := s.outside
	if e == nil {
		return
	}
	if s.outside = nil; failed {
		s.ended(ctx, e, journal.RolledBack)
		return
	}
	s.ended(ctx, e, journal.Committed)
}
