package explain

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/yamlstrict"
	"github.com/rowback/rowback/sqlparse"
)

func TestMain(m *testing.M) { pgtest.Main(m, pgtest.Options{Unsafe: true}) }

func rules(t *testing.T) policy.Policy {
	t.Helper()
	n, err := yamlstrict.Parse([]byte(`
- {name: gdpr, users: [gdpr], tables: [orders], mode: hold, threshold: 5000, comment-allowances: {max: 100}}
- {name: careful, tables: [orders], where-required: on, refuse: [truncate], updates: on}
- {name: soft, tables: [customers], soft-delete: {columns: [gone]}, mode: alert}
- {name: sessions, tables: [sessions], mode: off}
- {name: inside, networks: [10.0.0.0/8], threshold: 7, uncountable: allow}
`))
	if err != nil {
		t.Fatal(err)
	}
	all, err := policy.Parse(n, policy.Base())
	if err != nil {
		t.Fatal(err)
	}
	return policy.Policy{Rules: all, Default: policy.Base()}
}

// explained is a line for each statement: outcome, then tables with via and rule.
func explained(t *testing.T, o Options) (string, *Explanation) {
	t.Helper()
	e, err := Explain(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range e.Statements {
		line := s.Kind + " " + string(s.Outcome)
		for _, x := range s.Tables {
			line += fmt.Sprintf("; %s %s %s", x.Table, x.Via, x.Rule)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), e
}

func TestExplain_ByTheTextAlone(t *testing.T) {
	app, gdpr := policy.Subject{User: "app"}, policy.Subject{User: "gdpr"}
	inside := policy.Subject{User: "app", Address: netip.MustParseAddr("10.1.2.3")}
	for _, c := range []struct {
		who             policy.Subject
		sql, want, says string
	}{
		{app, "DELETE FROM orders WHERE id = 1", "DELETE judged; orders direct careful", "it is refused"},
		{app, "DELETE FROM orders", "DELETE refused; orders direct careful", "requires a WHERE"},
		{app, "DELETE FROM orders WHERE true", "DELETE refused; orders direct careful", "requires a WHERE"},
		{gdpr, "DELETE FROM orders", "DELETE judged; orders direct gdpr", "it is held"},
		{gdpr, "/* rowback:allow=50 */ DELETE FROM orders", "DELETE judged; orders direct gdpr", "the comment allows up to 50 rows"},
		{gdpr, "/* rowback:allow=500 */ DELETE FROM orders", "DELETE judged; orders direct gdpr", "honours up to 100"},
		{app, "/* rowback:allow=5 */ DELETE FROM orders WHERE id = 1", "DELETE judged; orders direct careful", "does not honour it"},
		{app, "TRUNCATE orders, customers", "TRUNCATE refused; orders direct careful; customers direct soft", "refuses truncate"},
		{app, "DELETE FROM shop.sessions", "DELETE not_judged; shop.sessions direct sessions", "are off"},
		{app, "DELETE FROM elsewhere", "DELETE judged; elsewhere direct default", ""},
		{inside, "DELETE FROM elsewhere", "DELETE judged; elsewhere direct inside", ""},
		{app, "UPDATE orders SET total = 0", "UPDATE refused; orders direct careful", "requires a WHERE"},
		{app, "UPDATE orders SET total = 0 WHERE id = 1", "UPDATE judged; orders direct careful", ""},
		{app, "UPDATE customers SET name = ''", "UPDATE not_judged; customers direct soft", "no rule counts"},
		{app, "UPDATE customers SET gone = now()", "UPDATE judged; customers direct soft", "setting gone counts as deleting"},
		{app, "UPDATE customers SET gone = NULL", "UPDATE not_judged; customers direct soft", ""},
		{app, "SELECT 1; DELETE FROM orders", "statement not_judged\nDELETE refused; orders direct careful", "not known without a connection"},
		{app, "WITH d AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM d", "DELETE inside another statement judged; orders direct careful", "by the text alone"},
		{app, "DO $$BEGIN DELETE FROM orders; END$$", "DO judged;   default", "name them with --table"},
		{app, "DROP DATABASE shop", "DROP refused;   default", "cannot be counted"},
		{inside, "DROP DATABASE shop", "DROP refused;   inside", "cannot be counted"}, // by the rule "careful", which a table of it may fall under
		{app, "ALTER TABLE orders DROP COLUMN total", "DROP COLUMN not_judged; orders direct careful", ""},
	} {
		got, e := explained(t, Options{Policy: rules(t), Subject: c.who, SQL: c.sql})
		var text strings.Builder
		e.WriteText(&text)
		if got != c.want || !strings.Contains(text.String(), c.says) || !strings.Contains(text.String(), "by the text alone") {
			t.Errorf("%s, as %v:\n got %s\nwant %s, and %q in\n%s", c.sql, c.who, got, c.want, c.says, text.String())
		}
	}
	got, _ := explained(t, Options{Policy: rules(t), Subject: app, SQL: "SELECT purge()", Tables: []sqlparse.Name{{Name: "orders"}}})
	if got != "statement judged; orders named careful" {
		t.Error(got)
	}
}

func TestExplain_FollowsCascades(t *testing.T) {
	name := pgtest.Database(t, `CREATE SCHEMA s; CREATE TABLE s.customers (id int PRIMARY KEY);
		CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES s.customers ON DELETE CASCADE);
		CREATE TABLE sessions (id int PRIMARY KEY, last int REFERENCES orders ON DELETE SET NULL);
		CREATE TABLE logs (id int PRIMARY KEY, at int REFERENCES sessions ON DELETE CASCADE);
		CREATE FUNCTION purge() RETURNS void LANGUAGE sql AS 'DELETE FROM logs';
		CREATE FUNCTION fine() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE PROCEDURE batches() LANGUAGE plpgsql AS 'BEGIN DELETE FROM logs; COMMIT; END';
		CREATE VIEW v AS SELECT * FROM orders;`)
	d, err := Open(t.Context(), pgtest.Shared(t).URL("postgres"), name)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, c := range []struct{ sql, want, says string }{
		{"DELETE FROM s.customers WHERE id = 1", "DELETE judged; s.customers direct soft; public.orders cascade careful; public.sessions set_null sessions", "goes through, and people are told"},
		{"DELETE FROM orders WHERE id = 1", "DELETE judged; public.orders direct careful; public.sessions set_null sessions", ""},
		{"TRUNCATE s.customers CASCADE", "TRUNCATE judged; s.customers direct soft; public.orders cascade careful; public.sessions cascade sessions; public.logs cascade default", ""},
		{"DELETE FROM nowhere", "DELETE judged; nowhere direct default", "there is no table nowhere"},
		{"WITH d AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM d", "DELETE inside another statement judged; public.orders direct careful; public.sessions set_null sessions", ""},
		{"DO $$BEGIN DELETE FROM orders; END$$", "DO judged; public.orders named careful; public.sessions set_null sessions", "the text mentions"},
		{"SELECT purge()", "statement judged;   default", "purge"},
		{"SELECT fine()", "statement not_judged", ""},
		{"CALL batches()", "CALL refused;   default", "cannot be counted"},
		{"DELETE FROM v WHERE id = 1", "DELETE judged; public.v direct default; public.orders view careful", "is a view"},
	} {
		o := Options{Policy: rules(t), SQL: c.sql}
		d.Into(&o)
		got, e := explained(t, o)
		var text strings.Builder
		e.WriteText(&text)
		if got != c.want || !strings.Contains(text.String(), c.says) || e.Database != name {
			t.Errorf("%s:\n got %s\nwant %s, and %q in\n%s", c.sql, got, c.want, c.says, text.String())
		}
	}
}
