package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// While the journal takes its time over the evidence the session that commits is not idle.
func TestEvidence_CommitIsNotIdle(t *testing.T) {
	e, j := withFaulty(t, shop)
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			c, beside := e.connect(mode), connect(t, e.direct, pgx.QueryExecModeExec)
			for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id = 1", "SET LOCAL idle_in_transaction_session_timeout = '1s'"} {
				mustExec(t, c, sql)
			}
			slow := func() { mustExec(t, beside, "SELECT pg_sleep(1.5)") }
			j.append.Store(&slow)
			defer j.append.Store(nil)
			mustExec(t, c, "COMMIT")
		})
	}
}
