package guard_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// A temporary table that inherits from one which others see changes what their DELETEs
// are planned for, too: that is known at once.
func TestTemporaryHeir(t *testing.T) {
	const base = "CREATE TABLE base (id int PRIMARY KEY); INSERT INTO base SELECT generate_series(1, 5)"
	for name, own := range map[string]bool{"another session's": false, "its own": true} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), shop, base)
			a, c := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol)
			if own {
				c = a
			}
			mustExec(t, c, "DELETE FROM base WHERE id = 1")
			mustExec(t, a, "CREATE TEMP TABLE heir (PRIMARY KEY (id)) INHERITS (base)")
			mustExec(t, a, "INSERT INTO heir VALUES (3), (101)")
			mustExec(t, c, "DELETE FROM base WHERE id IN (3, 101)")
			var left int
			if err := a.QueryRow(context.Background(), "SELECT count(*) FROM heir").Scan(&left); err != nil || (left == 0) != own {
				t.Errorf("%d rows are left in it, %v", left, err)
			}
			if es := e.entries(journal.Filter{Outcome: journal.Committed}); len(es) != 2 || !es[0].Tables[0].KeysCaptured || es[0].Tables[0].Rows != 1 {
				t.Errorf("entries %+v", es)
			}
		})
	}
	t.Run("with a trigger that deletes", func(t *testing.T) {
		e := newEnv(t, policy.Uniform(policy.Block, 5), shop, base, "CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM public.plain WHERE id <= 7; RETURN NULL; END$$")
		c := e.connect(pgx.QueryExecModeSimpleProtocol)
		mustExec(t, c, "CREATE TEMP TABLE heir (PRIMARY KEY (id)) INHERITS (base)")
		mustExec(t, c, "INSERT INTO heir VALUES (101)")
		mustExec(t, c, "CREATE TRIGGER tr AFTER DELETE OR UPDATE ON heir EXECUTE FUNCTION purge()")
		for _, sql := range []string{"DELETE FROM base WHERE id = 101", "DELETE FROM heir", "UPDATE base SET id = id", "DELETE FROM base WHERE id = 102"} {
			if _, err := c.Exec(context.Background(), sql); err != nil && !strings.Contains(err.Error(), "RB001") && !strings.Contains(err.Error(), "40001") { // its triggers nobody looks at before
				t.Errorf("%s: %v", sql, err)
			}
		}
		for _, k := range e.keys() {
			if k == "plain 1" {
				return
			}
		}
		t.Error("7 rows are gone, over a limit of 5")
	})
}
