package guard_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// A transaction is prepared, and ended by anyone, anywhere, whatever became of the
// server in between. Rows without keys cannot be asked: there the status alone tells.
func TestTwoPhase_IsSettled(t *testing.T) {
	deletes := map[string]string{"keys": "DELETE FROM orders WHERE id <= 3", "no keys": "DELETE FROM keyless"}
	modes := map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec}
	for end, want := range map[string]journal.Outcome{"COMMIT PREPARED": journal.Committed, "ROLLBACK PREPARED": journal.RolledBack} {
		for mode, m := range modes {
			for rows, sql := range deletes {
				for where, way := range map[string]struct{ crash, look, direct bool }{
					"through the proxy":                 {},
					"past it":                           {direct: true},
					"after a crash":                     {crash: true, look: true},
					"after a crash, past it":            {crash: true, look: true, direct: true},
					"after a crash, at once":            {crash: true},
					"after a crash, past it and unseen": {crash: true, direct: true},
				} {
					t.Run(fmt.Sprint(end, " ", where, ", ", mode, ", ", rows), func(t *testing.T) {
						e, _ := withFaulty(t, shop, "CREATE TABLE keyless (x int); INSERT INTO keyless VALUES (1), (2)")
						c := e.connect(m)
						mustExec(t, c, "BEGIN")
						mustExec(t, c, sql)
						mustExec(t, c, "PREPARE TRANSACTION '"+e.database+"'")
						if way.crash {
							crash(t)
						}
						if !way.crash || way.look {
							e.look()
							e.wantOutcome(journal.InDoubt) // it is still open
						}
						if way.crash && way.look {
							crash(t)
						}
						url := e.url
						if way.direct {
							url = e.direct
						}
						mustExec(t, connect(t, url, pgx.QueryExecModeExec), end+" '"+e.database+"'")
						if way.crash {
							crash(t)
						}
						e.settle()
						e.wantOutcome(want)
					})
				}
			}
		}
	}
}

// Rows that an older transaction has put back look as if they had never left.
func TestTwoPhase_RowsPutBackByAnOlderTransaction(t *testing.T) {
	e, _ := withFaulty(t, shop)
	ctx := context.Background()
	older := connect(t, e.direct, pgx.QueryExecModeExec)
	mustExec(t, older, "BEGIN")
	mustExec(t, older, "SELECT pg_current_xact_id()")
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id <= 3", "PREPARE TRANSACTION '" + e.database + "'"} {
		mustExec(t, c, sql)
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	direct := connect(t, e.direct, pgx.QueryExecModeExec)
	mustExec(t, direct, "COMMIT PREPARED '"+e.database+"'")
	mustExec(t, older, "INSERT INTO plain SELECT generate_series(1, 3), 'back'")
	mustExec(t, older, "COMMIT")
	crash(t)
	e.settle()
	e.wantOutcome(journal.Committed)
}

// The proxy was gone when the transaction was prepared: the first look records it.
func TestTwoPhase_SeenLate(t *testing.T) {
	e, j := withFaulty(t, shop, "CREATE TABLE keyless (x int); INSERT INTO keyless VALUES (1), (2)")
	j.forgetful.Store(true)
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"BEGIN", "DELETE FROM keyless", "PREPARE TRANSACTION '" + e.database + "'"} {
		mustExec(t, c, sql)
	}
	j.forgetful.Store(false)
	crash(t)
	e.look()
	crash(t)
	mustExec(t, connect(t, e.direct, pgx.QueryExecModeExec), "COMMIT PREPARED '"+e.database+"'")
	e.settle()
	e.wantOutcome(journal.Committed)
}
