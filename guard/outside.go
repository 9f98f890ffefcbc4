package guard

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// vouchForNothing makes the evidence of a statement that the server runs in a
// transaction of its own, where nothing can be counted, and that goes through:
// DROP DATABASE. Its entry has no numbers; finished settles it. errFailed: it is
// refused, and the client told.
func (s *session) vouchForNothing(ctx context.Context, w proxy.Wire, st judged) (err error) {
	s.outside, err = s.withoutNumbers(ctx, w, st)
	return err
}

// withoutNumbers makes an entry without numbers durable, in doubt.
func (s *session) withoutNumbers(ctx context.Context, w proxy.Wire, st judged) (*journal.Entry, error) {
	e, refusal := s.noteUnnumbered(ctx, st)
	if refusal != nil {
		return nil, s.refuse(ctx, w, refusal)
	}
	return e, nil
}

// noteUnnumbered is withoutNumbers, or why there can be none, for the client.
func (s *session) noteUnnumbered(ctx context.Context, st judged) (*journal.Entry, *pgproto3.ErrorResponse) {
	rule := s.rules.strict()
	e := s.entry(journal.InDoubt)
	e.Alert, e.Rule = verbOf(st)+" may have removed rows that nobody could count: "+st.why, rule.Name
	var one removals
	one.add(st.Text, "")
	e.Statements = one.statements()
	e.Dropped, e.Server.SystemID = st.Database, s.db.server.get()
	if err := s.j.o.Journal.Append(ctx, e, nil); err != nil {
		s.j.journalFailed(err)
		s.j.unjournalled(err)
		return nil, noEvidenceError()
	}
	return e, nil
}

// vouchForCall makes the evidence of a statement that commits by itself, and goes
// through: what was removed before it, and for itself an entry without numbers. These
// are counted when it has ended, and have an entry of their own: then the first one says
// that it was rolled back (superseded). Where it fails, or nobody sees its end, that
// stays the only one (unnumbered). errFailed: it is refused, and the client told.
func (s *session) vouchForCall(ctx context.Context, w proxy.Wire, st judged) (err error) {
	if _, err := s.vouch(ctx, w, st); err != nil || s.calling != nil {
		return err
	}
	s.calling, err = s.withoutNumbers(ctx, w, st)
	return err
}

// mayCommit reports whether a statement may have committed rows that it removed before it
// is judged: as far as is known, or because the catalog is not.
func (st judged) mayCommit() bool {
	return st.CommitsItself && (st.route == routeRefuse || st.route == routeCount && st.why == notLooked)
}

// superseded: what a statement that commits by itself removed has numbers now.
func (s *session) superseded(ctx context.Context) {
	if e := s.calling; e != nil {
		s.calling = nil
		s.j.record(ctx, s.db, e, journal.RolledBack)
	}
}

// unnumbered: a statement that commits by itself may have removed rows, and nobody can say how many.
func (s *session) unnumbered(ctx context.Context) {
	if e := s.calling; e != nil {
		s.calling = nil
		s.j.record(ctx, s.db, e, journal.Committed)
	}
}

// finished settles the entry of a statement that ran outside any transaction, and
// ended with err. Where nobody heard the server say so, that is asked later.
func (s *session) finished(ctx context.Context, err error) {
	e := s.outside
	if e == nil {
		return
	}
	switch s.outside = nil; {
	case err == nil:
		s.ended(ctx, e, journal.Committed)
	case errors.Is(err, errFailed):
		s.ended(ctx, e, journal.RolledBack)
	default:
		s.db.doubt(e.ID, doubt{})
	}
}
