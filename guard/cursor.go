package guard

import (
	"context"
	"strings"

	"github.com/rowback/rowback/proxy"
)

// What a statement may fetch from. What is open is in session.portals, as far as the
// client has bound it; what has come about otherwise transaction.fetchable tells of. What
// survives COMMIT is holdable.go's.

// hazard reports whether something is open that may delete when it is fetched from, which
// any statement may do that calls a function: a cursor, or a portal of the protocol's,
// which is one by its name.
func (s *session) hazard() bool { return s.hazardBeside(nil) }

// hazardBeside is hazard for what runs in a portal of its own.
func (s *session) hazardBeside(own *portal) bool {
	if s.tx != nil && s.tx.fetchable {
		return true
	}
	for name, p := range s.portals {
		if p != own && p.fetchable(name) && (s.heldBind == nil || s.heldBind.portal != p) { // the server has not got that yet
			return true
		}
	}
	return false
}

// fetchable reports whether a portal may delete when it is fetched from. What is not
// captured may be run again in part.
func (p *portal) fetchable(name string) bool {
	switch {
	case p.done || p.running || p.plan != nil && p.plan.pass:
		return false
	case p.st.route == routeCapture || p.st.route == routeCount || p.st.route == routeRefuse:
		return !p.ran || name != "" && !p.capturing()
	}
	return false
}

// misplaced reports whether a statement declares a cursor outside a transaction block: the
// server refuses that, but for one WITH HOLD. Should it take something of rowback's in front
// of it for a block's beginning (PostgreSQL 18), what fetches from the cursor is counted.
func (s *session) misplaced(w proxy.Wire, st judged) bool {
	if !st.Cursor || st.route != routeRefuse || s.hasRun || s.inBlock(w) || w.Ignored() || mayHold(st) {
		return false
	}
	s.open(w).fetchable = true
	return true
}

const fetching = "a statement while a cursor is open that may delete"

// fetches is a statement as it is judged while a hazard is there: what fetches from a
// cursor, a function too, does not say what that runs. So all is counted.
func (st judged) fetches() judged {
	if st.route == routePlain && !st.OutsideTransaction {
		st.route, st.why = routeCount, fetching
	}
	return st
}

// inert reports whether a statement needs no guard while no hazard is there.
func (st judged) inert() bool {
	return st.route == routePlain && !st.DDL && !st.ChangesNames && !st.Prepares && !st.CommitsItself
}

// withCursors is an analysis in force while a hazard is there.
func (s *session) withCursors(a *analysis) *analysis {
	if !s.hazard() || len(a.stmts) == 0 {
		return a
	}
	counted := &analysis{}
	for _, st := range a.stmts {
		counted.stmts = append(counted.stmts, st.fetches())
	}
	return counted
}

// endPortals forgets the portals that have ended with their transaction: before a message
// that would have to do with them, or where they have become many.
func (s *session) endPortals(ctx context.Context, w proxy.Wire) error {
	if s.hasRun || s.hasBound || len(s.portals) <= maxEnded && !s.hazard() {
		return nil
	}
	_, err := w.Quiesce(ctx)
	if err == nil && s.alone(w) {
		s.forgetPortals()
	}
	return err
}

const maxEnded = 32

func (s *session) forgetPortals() {
	for name, p := range s.portals {
		p.close()
		delete(s.portals, name)
	}
}

// opened notes what a run has opened beside its own portal: it is fetched from by
// statements that do not say what that runs. A cursor that is merely declared while a
// hazard is there is none.
func (r *run) opened() {
	if r.st.Cursor && r.st.why == fetching {
		return
	}
	own := hexName(r.portal) + "="
	for c := range r.after.cursors {
		if !r.before.cursors[c] && !strings.HasPrefix(c, own) {
			r.s.tx.fetchable = true
			r.s.tx.holding = r.s.tx.holding || strings.HasSuffix(c, "=t")
		}
	}
}
