package guard

import (
	"context"
	"errors"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/proxy"
)

// hazard reports whether a cursor may be open that deletes when it is fetched
// from: one declared over something that may delete, or a portal of the
// protocol's, which FETCH reaches by its name, too.
func (s *session) hazard() bool {
	if s.tx != nil && s.tx.cursor {
		return true
	}
	for name, p := range s.portals {
		if name != "" && !p.done && (p.st.route == routeCapture || p.st.route == routeCount) {
			return true
		}
	}
	return false
}

// misplaced reports whether a statement declares a cursor outside a transaction block: the
// server refuses that, but for one WITH HOLD. Should it take something of rowback's in front
// of it for a block's beginning (PostgreSQL 18), what fetches from the cursor is counted.
func (s *session) misplaced(w proxy.Wire, st judged) bool {
	if !st.Cursor || st.route != routeRefuse || s.hasRun || s.inBlock(w) || w.Ignored() || strings.Contains(strings.ToLower(st.Text), "hold") {
		return false
	}
	s.open(w).cursor = true
	return true
}

// holdAtCommit refuses the end of a transaction in which a cursor WITH HOLD was opened over
// what may delete, or has it in its entry: what that has not returned yet runs then, when
// nothing can be counted any more. errFailed: the client has been told.
func (s *session) holdAtCommit(ctx context.Context, w proxy.Wire) error {
	if s.tx == nil || !s.tx.cursor {
		return nil
	}
	is, err := one(ctx, lookup{w: w}, "SELECT EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable AND creation_time OPERATOR(pg_catalog.>=) pg_catalog.transaction_timestamp())::pg_catalog.text")
	switch {
	case errors.Is(err, errServer):
		return s.fault(w, err)
	case err != nil || is != "true":
		return err
	}
	const why = "what a cursor WITH HOLD has not returned runs then"
	if rule := s.rules.strict(); refuses(rule.Mode) && rule.Uncountable != policy.Allow {
		return s.blocked(ctx, w, s.tx.mark(""), refusal{verb: "COMMIT", sql: "COMMIT",
			verdict: verdict{rule: rule, limit: notRows, reason: uncountable, what: "is refused: it may remove rows that nobody can count: " + why}})
	}
	rm := &s.tx.removals
	rm.over, rm.rule = "COMMIT may have removed rows that nobody could count: "+why, s.rules.strict().Name
	rm.add("COMMIT", "COMMIT")
	return nil
}

const fetching = "a statement while a cursor is open that may delete"

// withCursors is an analysis in force while a hazard is there: what fetches
// from a cursor, a function too, does not say what that runs. So all is counted.
func (s *session) withCursors(ctx context.Context, w proxy.Wire, a *analysis) (*analysis, error) {
	if !s.hazard() {
		return a, nil
	}
	if _, err := w.Quiesce(ctx); err != nil {
		return nil, err
	}
	if s.tx == nil && s.alone(w) { // they ended with their transaction
		for name, p := range s.portals {
			p.close()
			delete(s.portals, name)
		}
		return a, nil
	}
	counted := &analysis{}
	for _, st := range a.stmts {
		if st.route == routePlain && !st.OutsideTransaction {
			st.route, st.why = routeCount, fetching
		}
		counted.stmts = append(counted.stmts, st)
	}
	return counted, nil
}
