package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// vouch makes the evidence of an implicit transaction durable before a statement
// in it that may commit it by itself, a procedure. How it ended the server is asked
// later; whether it goes on, by goesOn, if asks. errFailed: it cannot be kept, or what
// would be removed by then is refused, and the client has been told.
func (s *session) vouch(ctx context.Context, w proxy.Wire, st judged) (asks bool, err error) {
	if st.CommitsItself {
		s.viewEnds()
	}
	if !st.CommitsItself || !s.endsWith(w) {
		return false, nil
	}
	// What runs first has no triggers to wait for; and see readEarly.
	if s.view.mayCommit(st) && (s.hasRun || s.tx.unused != s.exchange) {
		if err := s.fireDeferred(ctx, w); err != nil {
			return false, err
		}
	}
	if _, err := s.barrier(ctx); err != nil {
		s.drop()
		return false, s.refuse(ctx, w, noEvidenceError())
	}
	before := s.tx
	s.doubt()
	s.tx = before.rest(s.j.o.Journal.Gather(s.j.o.Spill))
	return true, nil
}

// mayEnd looks at a statement that is to be counted, and may commit before it is judged.
// If that is for a cursor's sake alone, and none is open, it is not counted; if one is, it
// is refused. Else what came before it is vouched for. own: no portal is bound to it.
func (r *run) mayEnd(ctx context.Context, own bool) (passes bool, err error) {
	if r.st.mayCommit() { // nobody knows what it does
		return false, r.s.vouchForCall(ctx, r.w, r.st)
	}
	if r.st.why != fetching || !r.s.view.mayCommit(r.st) {
		_, err := r.s.vouch(ctx, r.w, r.st)
		return false, err
	}
	portals := 1
	if own {
		portals = 0
	}
	none, err := one(ctx, lookup{w: r.w}, fmt.Sprintf("SELECT (pg_catalog.count(*) OPERATOR(pg_catalog.<=) %d)::pg_catalog.text FROM pg_catalog.pg_cursors WHERE name OPERATOR(pg_catalog.<>) %s", portals, literal(private)))
	switch {
	case err != nil:
		return false, r.told(err)
	case none == "true":
		return true, nil
	}
	r.st.route = routeRefuse
	return false, nil
}

// mayCommit reports whether a statement that may commit by itself, as far as its
// kind goes, may do so by what it says or calls.
func (v *view) mayCommit(st judged) bool {
	return st.Verb != sqlparse.Call || len(sqlparse.NewNames(v.snap.Reach.Commits).Mentions([]byte(st.Text))) > 0
}

// rest is the record of what a transaction does once it has an entry of what it did
// before. Its limits and its cursors are the transaction's.
func (t *transaction) rest(keys *journal.Keys) *transaction {
	r := newTransaction(keys, t.implicit)
	r.xid, r.server = t.xid, t.server
	r.fetchable, r.holding, r.isolated, r.fixed, r.emptied = t.fetchable, t.holding, t.isolated, t.fixed, t.emptied
	r.earlier, r.removals.pardoned = slices.Clone(t.gone()), t.removals.pardoned
	r.start = r.mark("")
	return r
}

// goesOn finds out whether the transaction that is vouched for is open still, once
// the statement has succeeded.
func (s *session) goesOn(ctx context.Context, w proxy.Wire) error {
	xid, err := one(ctx, lookup{w: w}, "SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text")
	switch {
	case errors.Is(err, errServer):
		return s.fault(w, err)
	case err != nil:
		return err
	}
	if s.tx != nil && s.tx.xid != "" && s.tx.xid != xid {
		s.drop()
	}
	return nil
}

// gone are all tables that it has removed rows from, some of them twice.
func (t *transaction) gone() []journal.Table {
	if len(t.earlier) == 0 {
		return t.removals.tables
	}
	return slices.Concat(t.earlier, t.removals.tables)
}

// in notes which transaction it is: another one has not removed what is earlier.
func (t *transaction) in(xid string) {
	if xid != t.xid {
		t.earlier = nil
	}
	t.xid = xid
}
