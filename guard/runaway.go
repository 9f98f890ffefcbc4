package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/sqlparse"
)

// runaway is from how many rows on, as the planner expects them, a DELETE is judged
// by a probe before it runs, so that it is refused before it has done its work. Of
// smaller ones the refusal says exactly what they would have removed.
const runaway = 1_000_000

// large reports whether a DELETE may run away: its table is large enough, by the
// server's own estimate, and no key is given that it has to find. Those that are not
// are not even planned beforehand.
func (p *plan) large(st judged) bool {
	if p.target == nil || p.count != "" || p.pass || st.Verb != sqlparse.Delete {
		return false
	}
	if k := p.target.Key; len(k) > 0 && !slices.ContainsFunc(k, func(c string) bool { return !slices.Contains(st.Fixed, c) }) {
		return false
	}
	var rows float64
	for _, t := range p.target.Leaves() {
		rows += max(t.EstimatedRows, 0)
	}
	return rows >= runaway
}

// runsAway asks the planner whether a DELETE that would be refused runs away. p is as
// in foresee; errFailed: it cannot be planned, and the client has been told.
func (r *run) runsAway(ctx context.Context, p *portal) (bool, error) {
	if !r.capturing() || !r.plan.large(r.st) || p != nil && !r.s.bindable(p) || r.enough(policy.Block) == 0 {
		return false, nil
	}
	if p != nil {
		if err := r.sound(ctx, p); err != nil {
			return false, err
		}
	}
	const explain = "EXPLAIN (FORMAT JSON) "
	rows, err := r.beforehand(ctx, p, explain+r.st.Text)
	if e := (*serverError)(nil); errors.As(err, &e) { // as the statement itself would have failed
		if err := r.w.Reply('E', shiftPosition(e.body, r.st.runes-len(explain))); err != nil {
			return false, err
		}
		return false, errFailed
	}
	if err != nil {
		return false, err
	}
	var explained []struct{ Plan struct{ Plans []planned } }
	if len(rows) != 1 || json.Unmarshal([]byte(text(rows[0][0])), &explained) != nil || len(explained) != 1 {
		return false, fmt.Errorf("%w: EXPLAIN", errMalformed)
	}
	var expected float64
	for _, x := range explained[0].Plan.Plans {
		if x.Relationship == "Outer" || x.Relationship == "Member" { // neither of a WITH nor of a subquery
			expected += x.Rows
		}
	}
	return expected >= runaway, nil
}

// planned is what EXPLAIN says of a part of a plan.
type planned struct {
	Relationship string  `json:"Parent Relationship"`
	Rows         float64 `json:"Plan Rows"`
}
