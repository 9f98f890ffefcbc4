package guard_test

import (
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// A table made past the proxy is known from the first statement on that takes its rows.
func TestNewer_TablesMadePastTheProxy(t *testing.T) {
	for name, m := range modes {
		for _, c := range []struct {
			sql  string
			gone []string
		}{
			{"DELETE FROM fresh WHERE id <= 5", []string{"fresh 1", "fresh 2", "fresh 3", "fresh 4", "fresh 5", "more 1", "more 2"}},
			{"TRUNCATE fresh, more", []string{"fresh 1", "fresh 2", "fresh 3", "fresh 4", "fresh 5", "fresh 6", "more 1", "more 2"}},
			{"DROP TABLE more", []string{"more 1", "more 2"}},
		} {
			t.Run(name+"/"+c.sql, func(t *testing.T) {
				e := newEnv(t, blockPolicy(), shop)
				db := e.connect(m)
				if _, err := db.Exec(t.Context(), "DELETE FROM plain WHERE id = -1"); err != nil {
					t.Fatal(err)
				}
				pgtest.Exec(t, e.direct, "CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh SELECT generate_series(1, 6); CREATE TABLE more (id int PRIMARY KEY, f int REFERENCES fresh ON DELETE CASCADE); INSERT INTO more VALUES (1, 1), (2, 5)")
				if _, err := db.Exec(t.Context(), c.sql); err != nil {
					t.Fatal(err)
				}
				equal(t, "journalled", e.journalled(), c.gone)
				for _, x := range e.entries(journal.Filter{}) {
					for _, tb := range x.Tables {
						if !tb.KeysCaptured {
							t.Errorf("%+v", tb)
						}
					}
				}
			})
		}
	}
}
