package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// A statement that is held for its kind is one question, which says how many rows there
// are; the yes is for no more of them.
func TestHold_ForItsKind(t *testing.T) {
	unlimited := free("held")
	unlimited.Mode, unlimited.HoldFor, unlimited.WhereRequired, unlimited.Refuse = policy.Hold, time.Minute, true, []policy.Verb{policy.Truncate}
	limited := unlimited
	limited.Statement, limited.Transaction = 10, 10
	part := unlimited
	part.Fraction = 0.5
	const more, fewer = "INSERT INTO plain VALUES (1000)", "DELETE FROM plain WHERE id = 1"
	for name, x := range map[string]struct {
		rule           policy.Rule
		sql, meanwhile string
		asked          []string // what each question says
		rows           []int64  // and how many rows; -1: nobody knows
		gone           int64
	}{
		"a DELETE":                   {limited, "DELETE FROM plain", "", []string{`DELETE needs a WHERE that names a column on plain (rule "held"), and would remove 100 rows (plain 100), limit 10 (rule "held")`}, []int64{100}, 100},
		"a TRUNCATE":                 {limited, "TRUNCATE plain", "", []string{`TRUNCATE is not allowed on plain (rule "held"), and would remove 100 rows (plain 100), limit 10 (rule "held")`}, []int64{100}, 100},
		"within the limits":          {unlimited, "TRUNCATE plain", "", []string{`TRUNCATE is not allowed on plain (rule "held"), and would remove 100 rows (plain 100)`}, []int64{100}, 100},
		"over a part of the table":   {part, "DELETE FROM plain", "", []string{"and would remove 100 rows (plain 100)"}, []int64{100}, 100},
		"a DELETE of no rows":        {limited, "DELETE FROM plain WHERE false", "", []string{"and would remove no rows"}, []int64{0}, 0},
		"a DELETE, fewer by then":    {limited, "DELETE FROM plain", fewer, []string{"100 rows"}, []int64{100}, 99},
		"a TRUNCATE, fewer by then":  {limited, "TRUNCATE plain", fewer, []string{"100 rows"}, []int64{100}, 99},
		"a DELETE, more by then":     {limited, "DELETE FROM plain", more, []string{"needs a WHERE", "DELETE would remove 101 rows"}, []int64{100, 101}, 101},
		"a TRUNCATE, more by then":   {limited, "TRUNCATE plain", more, []string{"is not allowed", "TRUNCATE would remove 101 rows"}, []int64{100, 101}, 101},
		"that cannot be counted":     {limited, "DELETE FROM plain WHERE random() >= 0", "", []string{`DELETE needs a WHERE that names a column on plain (rule "held")`, "DELETE would remove 100 rows"}, []int64{-1, 100}, 100},
		"uncounted, over a part":     {part, "DELETE FROM plain WHERE random() >= 0", "", []string{"needs a WHERE", "at least 100% of plain, limit 50%"}, []int64{-1, 100}, 100},
		"uncounted, within the rule": {unlimited, "DELETE FROM plain WHERE random() >= 0", "", []string{"needs a WHERE"}, []int64{-1}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, ruled(x.rule), shop)
			before := e.keys()
			ask := func(last journal.HoldState) (asked []journal.Allowed, err error) {
				h := e.startHeld(pgx.QueryExecModeExec, nil, x.sql)
				for i, what := range x.asked {
					w := e.waiting()
					if !strings.Contains(w.What, what) {
						t.Errorf("held: %s, want %s", w.What, what)
					}
					if want := max(x.rows[i], 0); w.Rows != want || w.Uncounted != (x.rows[i] < 0) {
						t.Errorf("%s: %d rows, uncounted: %v, want %d", w.What, w.Rows, w.Uncounted, x.rows[i])
					}
					asked = append(asked, journal.Allowed{By: "dba", How: "hold", ID: w.ID})
					if i == 0 && x.meanwhile != "" {
						passes(t, connect(t, e.direct, pgx.QueryExecModeExec), x.meanwhile)
					}
					answer := journal.Granted
					if i == len(x.asked)-1 {
						answer = last
					}
					e.decide(w.ID, answer, "")
				}
				return asked, <-h.done
			}
			if x.meanwhile == "" {
				_, err := ask(journal.Denied)
				wantCode(t, err, "RB001")
				equal(t, "keys", e.keys(), before)
			}
			asked, err := ask(journal.Granted)
			if err != nil {
				t.Fatal(err)
			}
			es := e.entries(journal.Filter{Outcome: journal.Committed})
			if x.gone == 0 && len(es) == 0 {
				return
			}
			if len(es) != 1 || es[0].Rows != x.gone || len(es[0].Allowed) != len(asked) {
				t.Fatalf("entries %+v, want one of %d rows with leave %+v", es, x.gone, asked)
			}
			for i, a := range es[0].Allowed {
				if a.ID != asked[i].ID {
					t.Errorf("leave %+v, want %+v", es[0].Allowed, asked)
				}
			}
		})
	}
}
