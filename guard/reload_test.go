package guard_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

func (e *env) setPolicy(p policy.Policy) {
	e.t.Helper()
	if err := e.judge.SetPolicy(context.Background(), p); err != nil {
		e.t.Fatal(err)
	}
}

// What was prepared, bound or begun while nothing was judged is known all the same.
func TestReload_FromOffFindsWhatWasPreparedBefore(t *testing.T) {
	for _, name := range []string{"", "wipe"} {
		t.Run("statement "+name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Off, 0), shop)
			e.setPolicy(policy.Uniform(policy.Block, 3))
			passes(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM tree WHERE id = 31") // another session has read the catalog
			e.setPolicy(policy.Uniform(policy.Off, 0))
			r := dialRaw(t, e.url)
			for _, m := range cat(parse(name, "DELETE FROM plain"), syncMsg) {
				r.Send(m)
			}
			r.answers(1)
			e.setPolicy(policy.Uniform(policy.Block, 3))
			for _, m := range cat(bind("", name), execute("", 0), syncMsg) {
				r.Send(m)
			}
			r.answers(1)
			if n := countRows(t, e, "SELECT count(*) FROM plain"); n != 100 {
				t.Errorf("%d rows left", n)
			}
		})
	}
}

func TestReload_FromOffLeavesAnOpenTransactionItsPolicy(t *testing.T) {
	eachForm(t, policy.Uniform(policy.Off, 0), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM plain WHERE id <= 10")
		e.setPolicy(policy.Uniform(policy.Block, 3))
		passes(t, c, "DELETE FROM plain WHERE id <= 20")
		passes(t, c, "COMMIT")
		refused(t, c, "DELETE FROM plain WHERE id <= 30")
		passes(t, c, "BEGIN")
		refused(t, c, "DELETE FROM plain WHERE id <= 30")
		passes(t, c, "ROLLBACK")
	})
}

func TestReload_UpdatesPreparedBeforeTheyCount(t *testing.T) {
	e := newEnv(t, ruled(), shop)
	passes(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM tree WHERE id = 31") // another session has read the catalog
	c := e.connect(pgx.QueryExecModeExec)
	if _, err := c.Prepare(t.Context(), "change", "UPDATE plain SET a = 'x'"); err != nil {
		t.Fatal(err)
	}
	r := free("updates")
	r.Updates, r.Statement = true, 20
	e.setPolicy(ruled(r))
	refused(t, c, "change", "UPDATE would change 100 rows")
}

func TestAllowance_IsDrawnOnceForSeveralRules(t *testing.T) {
	money, rest := free("money"), free("rest")
	money.Match.Tables, money.Statement, rest.Statement = []string{"refunds"}, 5, 5
	eachForm(t, ruled(money, rest), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		id := e.grant(journal.Allowance{Rows: 40, Tables: []string{"orders"}})
		refused(t, c, "DELETE FROM orders WHERE id <= 10") // 20 refunds, 30 others
		passes(t, c, "DELETE FROM orders WHERE id <= 8")
		e.wantUsed(id, 40, 1)
	})
}

func TestUpdates_InTheirOwnWithCountToo(t *testing.T) {
	r := free("updates")
	r.Updates, r.Statement = true, 20
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		refused(t, c, "WITH u AS (UPDATE plain SET a = 'x' RETURNING id) UPDATE orders SET kind = 'y' WHERE id = 1", "101 rows")
		passes(t, c, "WITH u AS (UPDATE plain SET a = 'x' WHERE id < 10 RETURNING id) UPDATE orders SET kind = 'y' WHERE id = 1")
	})
}
