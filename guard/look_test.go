package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
)

// A look at the catalog amid a block is not one of the client's statements: their limits are not for it.
func TestRefresh_UnderTheClientsTimeout(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, "DO $$ BEGIN FOR i IN 1..1500 LOOP EXECUTE 'CREATE TABLE many_' || i || ' (id int PRIMARY KEY, a text)'; END LOOP; END $$")
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	mustExec(t, c, "SET lock_timeout = '7s'")
	for _, sql := range []string{"BEGIN", "SET LOCAL statement_timeout = '60ms'", "CREATE TABLE made (id int)", "SELECT 1", "DELETE FROM plain WHERE id = 1"} {
		mustExec(t, c, sql)
	}
	limits := func() (s string) {
		if err := c.QueryRow(t.Context(), "SELECT current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')").Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	amid := limits()
	mustExec(t, c, "COMMIT")
	if after := limits(); amid != "60ms 7s" || after != "0 7s" {
		t.Errorf("the limits are %s, after the block %s", amid, after)
	}
}
