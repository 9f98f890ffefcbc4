package recovery

import (
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/yamlstrict"
)

// outlook of a restore from one database into another, as a user of both.
func outlook(t *testing.T, user string, config *Config, live, backup []string) *Outlook {
	t.Helper()
	c := pgtest.Shared(t)
	open := func(name, database string) *Session {
		s, err := Open(t.Context(), name, c.UserURL(user, "", database), "rowback test")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	p, r := pgtest.Database(t, live...), pgtest.Database(t, backup...)
	out, err := Foresee(t.Context(), open("production", p), open("recovery", r), config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestForesee_SaysWhatEveryTableWouldRunInto(t *testing.T) {
	const shared = `CREATE TABLE fine (id int PRIMARY KEY, v text); CREATE TABLE bare (v text);
		CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9);`
	out := outlook(t, "postgres", nil,
		[]string{shared + `
			CREATE TABLE newer (id int PRIMARY KEY);
			CREATE TABLE rekeyed (id int, code int, PRIMARY KEY (id));
			CREATE TABLE grown (id int PRIMARY KEY, must int NOT NULL, may int);
			CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
			CREATE TRIGGER loud BEFORE INSERT ON fine FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE fine ENABLE ALWAYS TRIGGER loud;`},
		[]string{shared + `
			CREATE TABLE rekeyed (id int, code int, PRIMARY KEY (code));
			CREATE TABLE grown (id int PRIMARY KEY);`})
	if out.Tables != 6 || !slices.Equal(out.Missing, []string{"public.newer"}) && !slices.Equal(out.Missing, []string{"newer"}) {
		t.Errorf("%d tables, missing %q", out.Tables, out.Missing)
	}
	text := strings.Join(out.Unfit, "\n")
	if len(out.Unfit) != 2 || !strings.Contains(text, "rekeyed") || !strings.Contains(text, "must") {
		t.Errorf("unfit: %q", out.Unfit)
	}
	if len(out.Keyless) != 1 || !strings.Contains(out.Keyless[0], "bare") {
		t.Errorf("keyless: %q", out.Keyless)
	}
	if len(out.Always) != 1 || !strings.Contains(out.Always[0], "loud on") {
		t.Errorf("always: %q", out.Always)
	}
	if len(out.Denied) > 0 || out.Loud != "" {
		t.Errorf("a superuser is denied %q, %q", out.Denied, out.Loud)
	}
}

func TestForesee_SaysWhichPrivilegesAreMissing(t *testing.T) {
	pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "CREATE ROLE outlooker LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "DROP ROLE outlooker") })
	const table = "CREATE TABLE t (id int PRIMARY KEY);"
	out := outlook(t, "outlooker", nil, []string{table + "GRANT SELECT ON t TO outlooker"}, []string{table})
	text := strings.Join(out.Denied, "\n")
	if len(out.Denied) != 2 || !strings.Contains(text, "production: privileges are missing; have who may grant them run there:\nGRANT INSERT") || !strings.Contains(text, "run there:\nGRANT SELECT") {
		t.Errorf("%q", out.Denied)
	}
	if !strings.Contains(out.Loud, "session_replication_role") || out.LoudMend == "" {
		t.Errorf("%q, %q", out.Loud, out.LoudMend)
	}
}

// What the configuration renames, fills in or leaves out is not missing; what it
// gets wrong is said.
func TestForesee_KnowsTheConfiguration(t *testing.T) {
	config := func(text string) *Config {
		n, err := yamlstrict.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseConfig(n)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	live := []string{"CREATE TABLE bills (id int PRIMARY KEY, must int NOT NULL); CREATE TABLE cache (id int PRIMARY KEY)"}
	backup := []string{"CREATE TABLE invoices (id int PRIMARY KEY)"}
	out := outlook(t, "postgres", config("tables: {bills: {from: invoices, columns: {must: \"0\"}}, cache: {skip: true}}"), live, backup)
	if out.Tables != 1 || len(out.Missing)+len(out.Unfit)+len(out.Config) > 0 {
		t.Errorf("%+v", out)
	}
	out = outlook(t, "postgres", config("tables: {bills: {from: invoices, columns: {must: nonsense}}, nowhere: {where: \"true\"}, cache: {skip: true}}"), live, backup)
	if text := strings.Join(out.Config, "\n"); len(out.Config) != 2 || !strings.Contains(text, "nonsense") || !strings.Contains(text, "nowhere") {
		t.Errorf("%q", out.Config)
	}
}
