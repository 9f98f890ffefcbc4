package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// What other sessions do to tables while a statement is counted is not its own: it is
// neither refused for it, nor are their rows in its entry.
func TestCount_OthersTakeTables(t *testing.T) {
	const statement = "SELECT purge(1)"
	for name, others := range map[string]string{
		"TRUNCATE":               "TRUNCATE other",
		"ALTER TABLE":            "ALTER TABLE other ALTER v TYPE bigint",
		"DROP TABLE":             "DROP TABLE other",
		"DETACH PARTITION":       "ALTER TABLE part DETACH PARTITION part1",
		"a function's":           "SELECT wipe()",
		"and again into the new": "TRUNCATE other; INSERT INTO other VALUES (1, 1)",
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 5), shop, `CREATE TABLE other (id int PRIMARY KEY, v int); INSERT INTO other SELECT i, i FROM generate_series(1, 9) i; ANALYZE other;
				CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10); INSERT INTO part SELECT generate_series(1, 9);
				CREATE FUNCTION purge(n int) RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM plain WHERE id <= n; END'; CREATE FUNCTION wipe() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE other; END'`)
			e.amid(nil, statement, func(*pgx.Conn) { mustExec(t, connect(t, e.direct, pgx.QueryExecModeSimpleProtocol), others) }, "SELECT FROM plain WHERE id = 1 FOR UPDATE")
			es := e.entries(journal.Filter{})
			if len(es) != 1 || es[0].Rows != 1 || len(es[0].Tables) != 1 || es[0].Tables[0].Name != "plain" {
				t.Errorf("entries %+v", es)
			}
		})
	}
}
