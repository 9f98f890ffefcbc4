package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowback/rowback/journal"
)

// guardedStatements is how many statements were guarded.
func (e *env) guardedStatements() (n uint64) {
	e.t.Helper()
	r := prometheus.NewRegistry()
	if err := e.metrics.Register(r); err != nil {
		e.t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "rowback_guarded_statement_seconds" {
			continue
		}
		for _, s := range f.Metric {
			n += s.GetHistogram().GetSampleCount()
		}
	}
	return n
}

// While tables are made and altered the catalog is not looked at for each statement, nor
// are statements counted because it could not be: here it cannot. A DELETE knows of them.
func TestReshape_ALookWhenItMatters(t *testing.T) {
	for mode, m := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "named": pgx.QueryExecModeCacheStatement} {
		for _, block := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, ", in a block ", block), func(t *testing.T) {
				e := newEnv(t, alertPolicy(), shop)
				c, other := e.connect(m), e.connect(m)
				for range 2 {
					mustExec(t, c, "DELETE FROM plain WHERE id < 0")
					mustExec(t, other, "DELETE FROM plain WHERE id < 0")
				}
				_, lock := e.blockReading("pg_policy")
				before := e.guardedStatements()
				if block {
					mustExec(t, c, "BEGIN")
				}
				for i := range 5 {
					for _, sql := range []string{"CREATE TABLE made%d (id int PRIMARY KEY, of int, at timestamptz DEFAULT now())", "CREATE INDEX ON made%d (of)",
						"ALTER TABLE made%d ADD FOREIGN KEY (of) REFERENCES plain ON DELETE CASCADE", "INSERT INTO made%d VALUES (1, 7)", "COMMENT ON TABLE made%d IS 'made'", "SELECT count(*) FROM made%d"} {
						mustExec(t, c, fmt.Sprintf(sql, i))
					}
				}
				if block {
					mustExec(t, c, "COMMIT")
				}
				mustExec(t, other, "INSERT INTO made0 VALUES (2, 8)")
				if n := e.guardedStatements() - before; n > 0 {
					t.Errorf("%d statements were guarded", n)
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
