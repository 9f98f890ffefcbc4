package guard_test

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// A DELETE without a condition removes rows that its user may not see.
func TestRowSecurity_TheSameRowsGo(t *testing.T) {
	for _, sql := range []string{"DELETE FROM sec", "DELETE FROM sec WHERE id < 100", "DELETE FROM sec RETURNING id", "DELETE FROM sec USING other o WHERE o.v = 7", "DELETE FROM sec USING other WHERE v = 7",
		"DELETE FROM sec s USING other o WHERE o.v = 7 AND s.id > 0", "DELETE FROM sec WHERE EXISTS (SELECT FROM other WHERE v = 7)", "DELETE FROM sec WHERE id IN (SELECT generate_series(1, 100))",
		"DELETE FROM sec WHERE EXISTS (SELECT FROM other WHERE id > 0)"} {
		for name, m := range modes {
			t.Run(name+"/"+sql, func(t *testing.T) {
				e := newEnv(t, policy.Uniform(policy.Block, 1000), `CREATE TABLE other (v int); INSERT INTO other VALUES (7); CREATE TABLE sec (id int PRIMARY KEY); INSERT INTO sec SELECT generate_series(1, 20); ALTER TABLE sec ENABLE ROW LEVEL SECURITY;
					DROP ROLE IF EXISTS tenant; CREATE ROLE tenant LOGIN; GRANT SELECT, DELETE ON sec, other TO tenant; CREATE POLICY d ON sec FOR DELETE USING (id <= 10); CREATE POLICY s ON sec FOR SELECT USING (id <= 4)`)
				t.Cleanup(func() { pgtest.Exec(t, e.direct, "DROP OWNED BY tenant; DROP ROLE tenant") })
				removes := func(url, end string) int64 {
					c := connect(t, strings.Replace(url, "postgres@", "tenant@", 1), m)
					if _, err := c.Exec(t.Context(), "BEGIN"); err != nil {
						t.Fatal(err)
					}
					tag, err := c.Exec(t.Context(), sql)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := c.Exec(t.Context(), end); err != nil {
						t.Fatal(err)
					}
					return tag.RowsAffected()
				}
				want := removes(e.direct, "ROLLBACK")
				if got := removes(e.url, "COMMIT"); got != want {
					t.Errorf("%d rows, want %d", got, want)
				}
				if es := e.entries(journal.Filter{}); len(es) != 1 || es[0].Rows != want {
					t.Errorf("entries %+v, want one of %d rows", es, want)
				}
			})
		}
	}
}
