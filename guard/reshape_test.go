package guard_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// While tables are made and altered the catalog is not looked at for each statement, nor
// are statements counted because it could not be: here it cannot. A DELETE knows of them.
func TestReshape_ALookWhenItMatters(t *testing.T) {
	for mode, m := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "one Query": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "named": pgx.QueryExecModeCacheStatement} {
		for _, block := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, ", in a block ", block), func(t *testing.T) {
				e := newEnv(t, alertPolicy(), shop)
				c, other := e.connect(m), e.connect(m)
				for range 2 {
					mustExec(t, c, "DELETE FROM plain WHERE id < 0")
					mustExec(t, other, "DELETE FROM plain WHERE id < 0")
				}
				_, lock := e.blockReading("pg_catalog.pg_policy")
				before := e.routed(t, "count")
				var script []string
				if block {
					script = append(script, "BEGIN")
				}
				for i := range 5 {
					for _, sql := range []string{"CREATE TABLE made%d (id int PRIMARY KEY, of int, at timestamptz DEFAULT now())", "CREATE INDEX ON made%d (of)",
						"ALTER TABLE made%d ADD FOREIGN KEY (of) REFERENCES plain ON DELETE CASCADE", "INSERT INTO made%d VALUES (1, 7)", "COMMENT ON TABLE made%d IS 'made'", "SELECT count(*) FROM made%d"} {
						script = append(script, fmt.Sprintf(sql, i))
					}
				}
				if block {
					script = append(script, "COMMIT")
				}
				if mode == "one Query" {
					script = []string{strings.Join(script, "; ")}
				}
				for _, sql := range script {
					mustExec(t, c, sql)
				}
				mustExec(t, other, "INSERT INTO made0 VALUES (2, 8)")
				if n := e.routed(t, "count") - before; n > 0 {
					t.Errorf("%d statements were counted", n)
				}
				if err := lock.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				mustExec(t, other, "DELETE FROM plain WHERE id = 8")
				mustExec(t, c, "DELETE FROM plain WHERE id = 7")
				var tables []string
				for _, x := range e.entries(journal.Filter{}) {
					for _, s := range x.Tables {
						tables = append(tables, fmt.Sprintf("%s %d %v", s.Name, s.Rows, s.KeysCaptured))
					}
				}
				if got := strings.Join(tables, ", "); strings.Count(got, "made") != 6 || strings.Contains(got, "false") {
					t.Error(got)
				}
			})
		}
	}
}

// Nor is a text parsed that has none of the words that matter, because tables were made or
// the catalog is due for a look: it may be large.
func TestReshape_LargeTextsAreNotParsed(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, "CREATE TABLE loaded (id int, a text)")
	text := "INSERT INTO loaded VALUES " + strings.TrimSuffix(strings.Repeat("(1, 'as long as rows are'),", 1<<18), ",")
	for name, m := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec} {
		c := e.connect(m)
		mustExec(t, c, "DELETE FROM plain WHERE id < 0")
		allocated := func() uint64 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			mustExec(t, c, text)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		plain := allocated()
		mustExec(t, c, "CREATE TABLE IF NOT EXISTS made (id int)")
		behind := allocated()
		pgtest.Exec(t, e.url, "CREATE OR REPLACE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'")
		if due := allocated(); max(behind, due) > 2*plain+(8<<20) {
			t.Errorf("%s: for an INSERT of %d bytes %d were allocated, %d behind a CREATE TABLE, %d after another session's DDL", name, len(text), plain, behind, due)
		}
	}
}
