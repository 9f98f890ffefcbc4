package guard_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// What commits by itself may have removed rows before it fails, or before the server or
// the client goes: of that there is evidence, if without numbers.
func TestCommitsItself_EndsBadly(t *testing.T) {
	for name, end := range map[string]string{"fails": "PERFORM 1/0;", "server gone": "PERFORM pg_terminate_backend(pg_backend_pid());", "ends well": ""} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			for form, sql := range map[string]string{"procedure": "CALL big()", "block": "DO $$BEGIN DELETE FROM plain WHERE id <= 5; COMMIT; " + end + " END$$"} {
				t.Run(strings.Join([]string{name, form, mode.String()}, ", "), func(t *testing.T) {
					e := newEnv(t, policy.Uniform(policy.Alert, 3), shop, "CREATE PROCEDURE big() LANGUAGE plpgsql AS $$BEGIN DELETE FROM plain WHERE id <= 5; COMMIT; "+end+" END$$")
					c := e.connect(mode)
					_, err := c.Exec(context.Background(), sql)
					if (err == nil) != (end == "") {
						t.Fatal(err)
					}
					_ = c.Close(context.Background())
					for deadline := time.Now().Add(pollTime); len(e.entries(journal.Filter{Outcome: journal.InDoubt})) > 0; { // until its session has ended
						if time.Now().After(deadline) {
							t.Fatal("it stays in doubt")
						}
					}
					if n := countRows(t, e, "SELECT count(*) FROM plain"); n != 95 {
						t.Fatalf("%d rows left", n)
					}
					es := e.entries(journal.Filter{}) // newest first
					first := es[len(es)-1]
					if !strings.Contains(first.Alert, "nobody could count") || first.Statements[0].SQL != sql {
						t.Errorf("%+v", first)
					}
					switch {
					case end == "" && (len(es) != 2 || first.Outcome != journal.RolledBack || es[0].Outcome != journal.Committed || es[0].Rows != 5):
						t.Errorf("%+v", es)
					case end != "" && (len(es) != 1 || first.Outcome != journal.Committed):
						t.Errorf("%+v", es)
					}
				})
			}
		}
	}
}
