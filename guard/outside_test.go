package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func TestDropDatabase_LeavesEvidenceWhereItIsNotRefused(t *testing.T) {
	eachForm(t, policy.Uniform(policy.Alert, 10), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "CREATE DATABASE "+e.database+"_doomed")
		passes(t, c, "DROP DATABASE "+e.database+"_doomed")
		if err := run(t, c, "DROP DATABASE "+e.database+"_doomed"); err == nil {
			t.Fatal("it was dropped twice")
		}
		es := e.entries(journal.Filter{})
		if len(es) != 2 || es[1].Outcome != journal.Committed || es[1].Alert == "" || es[0].Outcome != journal.RolledBack {
			t.Errorf("entries %+v", es)
		}
		if err := e.judge.SetPolicy(t.Context(), blockPolicy()); err != nil {
			t.Fatal(err)
		}
		refused(t, c, "DROP DATABASE "+e.database+"_doomed", "cannot be counted")
	})
}
