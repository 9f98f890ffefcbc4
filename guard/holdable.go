package guard

import (
	"context"
	"errors"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// mayHold reports whether a cursor is one WITH HOLD, as far as its words tell.
func mayHold(st judged) bool { return strings.Contains(strings.ToLower(st.Text), "hold") }

// holdAtCommit refuses the end of a transaction in which a cursor WITH HOLD was opened over
// what may delete, or has it in its entry: what that has not returned yet runs then, when
// nothing can be counted any more. errFailed: the client has been told.
func (s *session) holdAtCommit(ctx context.Context, w proxy.Wire) error {
	if s.tx == nil || !s.hazard() {
		return nil
	}
	rows, err := lookup{w: w}.Query(ctx, "SELECT name, statement, (is_holdable AND creation_time OPERATOR(pg_catalog.>=) pg_catalog.transaction_timestamp())::pg_catalog.text FROM pg_catalog.pg_cursors")
	switch {
	case errors.Is(err, errServer):
		return s.fault(w, err)
	case err != nil:
		return err
	}
	holdable, holds := false, false
	for _, r := range rows {
		if text(r[2]) == "true" {
			holdable, holds = true, holds || s.tx.holding || s.runs(w, text(r[1]))
		}
	}
	if !holdable {
		return nil
	}
	if !holds {
		return s.closeOthers(ctx, w, rows)
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

// closeOthers closes what ends at COMMIT anyway, so that no cursor WITH HOLD fetches from
// it then. cursors are their names and texts, and whether they are of that kind.
func (s *session) closeOthers(ctx context.Context, w proxy.Wire, cursors [][]*string) error {
	n := 0
	for _, c := range cursors {
		all := sqlparse.Parse(text(c[1]))
		if name := text(c[0]); text(c[2]) != "true" && name != private && !(len(all) == 1 && s.controls(all[0])) { // COMMIT itself may be bound to one
			w.Send('C', target('P', name))
			n++
		}
	}
	w.Send('H', nil)
	for range n {
		if err := receiveClosed(ctx, w); errors.Is(err, errServer) { // a cancel request came just then
			return s.fault(w, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// runs reports whether the text that a cursor was declared in says that it may delete.
func (s *session) runs(w proxy.Wire, sql string) bool {
	for _, st := range s.withTemps(s.view.analysePrepared(w, sql)).stmts {
		if st.route != routePlain && st.route != routeControl {
			return true
		}
	}
	return false
}
