package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
)

// The server gives no row of a DELETE that fails. postgres.js, for one, takes
// rows before an error for rows of the next statement.
func TestWire_ABlockedDeleteGivesNoRows(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 5), shop)
	for name, sent := range map[string]messages{
		"simple":     q("DELETE FROM plain WHERE id <= 6 RETURNING *"),
		"extended":   cat(pbe("DELETE FROM plain WHERE id <= $1 RETURNING id", "6"), syncMsg),
		"cascade":    q("DELETE FROM orders RETURNING *"),
		"in several": q("DELETE FROM plain WHERE id = 1; DELETE FROM plain WHERE id <= 6 RETURNING id"),
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, e.url)
			for _, m := range sent {
				c.Send(m)
			}
			out := strings.Join(c.answers(1), "\n")
			if !strings.Contains(out, `"RB001"`) || strings.Contains(out, "DataRow") {
				t.Errorf("answers:\n%s", out)
			}
			c.Send(&pgproto3.Query{String: "DELETE FROM plain WHERE id = -1 RETURNING id"})
			if out := strings.Join(c.answers(1), "\n"); strings.Contains(out, "DataRow") {
				t.Errorf("the next statement's answers:\n%s", out)
			}
		})
	}
}
