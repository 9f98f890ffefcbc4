package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
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

// Such a table falls under the rule of its name, also where a function takes its rows.
func TestNewer_FallsUnderItsRule(t *testing.T) {
	p := ruled(policy.Rule{Name: "guarded", Match: policy.Match{Tables: []string{"orders*"}}, Mode: policy.Block, Statement: 10, Transaction: 10})
	p.Default.Mode = policy.Off
	wipe := "CREATE FUNCTION wipe(name text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE ''DELETE FROM '' || name; END'"
	eachForm(t, p, []string{shop, wipe}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "SELECT FROM orders")
		pgtest.Exec(t, e.direct, "CREATE TABLE orders_2 (id int) PARTITION BY RANGE (id)", "CREATE TABLE part PARTITION OF orders_2 DEFAULT", "INSERT INTO orders_2 SELECT generate_series(1, 100)",
			"CREATE TABLE others (id int)", "INSERT INTO others SELECT generate_series(1, 100)")
		refused(t, c, "SELECT wipe('orders_2')", "100 rows (orders_2 100)")
		passes(t, c, "SELECT wipe('others')")
		for _, sql := range []string{"DELETE FROM orders_2", "TRUNCATE orders_2", "DROP TABLE orders_2"} {
			refused(t, c, sql, "100 rows")
		}
	})
}

// Its name is what it is, whatever the session's encoding, which may not even have it.
func TestNewer_InAnotherEncoding(t *testing.T) {
	p := ruled(policy.Rule{Name: "guarded", Match: policy.Match{Tables: []string{"bücher*", "日*"}}, Mode: policy.Block, Statement: 10, Transaction: 10})
	p.Default.Mode = policy.Off
	for _, name := range []string{"bücher_2", "日本"} {
		e := newEnv(t, p, shop, `CREATE FUNCTION wipe() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE 'DELETE FROM ' || (SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' ORDER BY oid DESC LIMIT 1); END $$`)
		c := e.connect(pgx.QueryExecModeSimpleProtocol)
		passes(t, c, "SELECT FROM orders")
		if _, err := c.PgConn().Exec(t.Context(), "SET client_encoding = 'LATIN1'").ReadAll(); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, e.direct, `CREATE TABLE "`+name+`" (id int)`, `INSERT INTO "`+name+`" SELECT generate_series(1, 100)`)
		_, err := c.PgConn().Exec(t.Context(), "SELECT wipe()").ReadAll()
		wantCode(t, err, "RB001")
	}
}
