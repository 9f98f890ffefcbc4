package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func TestUpdates_CountWhereARuleSaysSo(t *testing.T) {
	r := free("updates")
	r.Updates, r.Statement, r.Transaction = true, 20, 30
	setup := `CREATE VIEW few AS SELECT id, a FROM plain; CREATE TABLE parted (id int, x int) PARTITION BY RANGE (id);
		CREATE TABLE part1 PARTITION OF parted FOR VALUES FROM (0) TO (50); CREATE TABLE part2 PARTITION OF parted FOR VALUES FROM (50) TO (500);
		INSERT INTO parted SELECT i, i FROM generate_series(1, 100) i`
	eachForm(t, ruled(r), []string{shop, setup}, func(t *testing.T, e *env, c *pgx.Conn) {
		for sql, words := range map[string]string{
			"UPDATE plain SET a = 'x'": "UPDATE would change 100 rows (plain 100), limit 20",
			"UPDATE plain AS p SET a = 'x' FROM orders o WHERE o.id = p.id RETURNING p.id": "UPDATE would change 100 rows (plain 100)",
			"UPDATE few SET a = 'x'":         "100 rows (few 100)",
			"UPDATE parted SET id = id + 50": "100 rows (parted 100)",
			"UPDATE part1 SET x = 0":         "49 rows (parted 49)",
			"WITH u AS (UPDATE plain SET a = 'x' RETURNING 1) SELECT count(*) FROM u":                    "100 rows (plain 100)",
			"INSERT INTO plain SELECT id, 'y' FROM orders ON CONFLICT (id) DO UPDATE SET a = 'y'":        "100 rows (plain 100)",
			"MERGE INTO plain USING orders ON plain.id = orders.id WHEN MATCHED THEN UPDATE SET a = 'z'": "100 rows (plain 100)",
		} {
			if v := pgtest.Shared(t).Version(); v < 15 && strings.HasPrefix(sql, "MERGE") {
				t.Logf("not run on PostgreSQL %d: %s", v, sql)
				continue
			}
			refused(t, c, sql, words)
		}
		passes(t, c, "UPDATE plain SET a = 'x' WHERE id <= 20")
		passes(t, c, "BEGIN")
		passes(t, c, "UPDATE plain SET a = 'x' WHERE id <= 20")
		refused(t, c, "UPDATE plain SET a = 'y' WHERE id <= 11", "would bring the rows changed by this transaction to 31")
		passes(t, c, "ROLLBACK")
		if es := e.entries(journal.Filter{Outcome: journal.Committed}); len(es) != 0 {
			t.Errorf("updates within the limits are no evidence: %+v", es)
		}
	})
}

func TestUpdates_AlertAndAllowance(t *testing.T) {
	r := free("updates")
	r.Mode, r.Updates, r.Statement = "alert", true, 20
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "UPDATE plain SET a = 'x' WHERE id <= 50")
		es := e.entries(journal.Filter{})
		if len(es) != 1 || es[0].Alert != `UPDATE changed 50 rows (plain 50), limit 20 (rule "updates")` || es[0].Rows != 0 || es[0].Outcome != journal.Committed {
			t.Fatalf("entries %+v", es)
		}
		id := e.grant(journal.Allowance{Rows: 50, Tables: []string{"plain"}})
		passes(t, c, "UPDATE plain SET a = 'x' WHERE id <= 50")
		e.wantUsed(id, 50, 1)
	})
}

func countRows(t *testing.T, e *env, sql string) (n int) {
	t.Helper()
	if err := connect(t, e.direct, pgx.QueryExecModeExec).QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
