package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// Since the backup, columns were renamed, a table moved, and rules were added.
func TestMapping_RenamedAndMoved(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (nr int PRIMARY KEY, old text, price numeric(8,2), kind text, at timestamp); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE); CREATE TABLE n (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL);
		CREATE TABLE gone (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
		INSERT INTO p SELECT i, 'o' || i, i / 4.0, 'k', '2024-01-01' FROM generate_series(1, 9) i; INSERT INTO c SELECT i, i FROM generate_series(1, 9) i; INSERT INTO n SELECT i, i FROM generate_series(1, 9) i; INSERT INTO gone SELECT i, i FROM generate_series(1, 9) i`).backup()
	id := l.incident("DELETE FROM p WHERE nr > 4")
	l.exec(`CREATE SCHEMA sales; ALTER TABLE p SET SCHEMA sales; ALTER TABLE sales.p RENAME TO products; ALTER TABLE sales.products RENAME nr TO id; ALTER TABLE sales.products RENAME old TO label; DROP TABLE gone;
		CREATE TYPE kinds AS ENUM ('k', 'l'); ALTER TABLE sales.products ALTER kind TYPE kinds USING kind::kinds, ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC', ALTER price TYPE double precision,
		ADD fresh text NOT NULL DEFAULT 'd'; ALTER TABLE sales.products ALTER fresh DROP DEFAULT; ALTER TABLE c RENAME p TO product; ALTER TABLE n RENAME p TO product`)
	l.refused(l.options(id), Unfit, "table public.p does not exist", "is it sales.products now?", "restore: {tables: {sales.products: {from: public.p}}}",
		"table public.gone does not exist", "{public.gone: {skip: true}}")
	o := l.options(id)
	config := "tables: {sales.products: {from: public.p, rename: {nr: id, old: label}%s}, gone: {skip: true}, c: {rename: {p: product}}, n: {rename: {p: product}}}"
	o.Config = configured(t, strings.Replace(config, "%s", "", 1))
	l.refused(o, Unfit, "column sales.products.fresh is not in the recovery database, is NOT NULL and has no default; say what it gets", "columns: {fresh: SQL}",
		"sales.products.at is timestamp without time zone", "columns: {at: SQL}")
	role := l.role(append(allGrants, "CREATE SCHEMA IF NOT EXISTS sales", "GRANT USAGE ON SCHEMA sales TO ROLE", "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA sales TO ROLE")...)
	o.Config = configured(t, strings.Replace(config, "%s", `, columns: {fresh: "upper(old)", at: "at AT TIME ZONE 'UTC'"}`, 1))
	o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
	report := l.restore(o)
	now := l.state(l.production)
	if row := now["sales.products"]["7"]; row["label"] != "o7" || row["price"] != "1.75" || row["fresh"] != "O7" || row["kind"] != "k" {
		t.Errorf("7: %q", row)
	}
	if now["public.c"]["7"]["product"] != "7" || now["public.n"]["7"]["product"] != "7" || l.count(report, "n").Relinked != 5 || l.count(report, "gone").Filtered != 5 || !report.Complete() {
		t.Errorf("%+v %q", report, now["public.n"])
	}
	// The same by the name it has now, and a key of now.
	l.exec("DELETE FROM c; DELETE FROM sales.products WHERE id = 8")
	source, err := FromKeyFile(write(t, "id\n8\n"), "sales.products")
	if err != nil {
		t.Fatal(err)
	}
	o.Source = source
	if report := l.restore(o); report.Restored != 1 {
		t.Errorf("%+v", report)
	}
}

// A table that is there no more keeps nothing else away: what is advised can be done.
func TestMapping_TableIsDropped(t *testing.T) {
	l := newLab(t, `CREATE TABLE big (id int PRIMARY KEY); CREATE TABLE bigc (id int PRIMARY KEY, big int REFERENCES big ON DELETE CASCADE);
		INSERT INTO big SELECT generate_series(1, 9); INSERT INTO bigc SELECT i, i FROM generate_series(1, 9) i`).backup()
	skipping := func(o Options) Options {
		o.Config = configured(t, "tables: {public.bigc: {skip: true}}")
		return o
	}
	keys, whole := l.incident("DELETE FROM big WHERE id < 4"), l.imaged(nil, "DELETE FROM big WHERE id > 6")
	l.exec("DROP TABLE bigc")
	const skip = "restore: {tables: {public.bigc: {skip: true}}}"
	l.refused(l.options(keys), Unfit, "table public.bigc does not exist", "pg_dump -s -t 'public.bigc' RECOVERY", skip)
	l.refused(l.alone(whole), Unfit, "table public.bigc does not exist", "its rows are in the journal", skip)
	pgtest.Exec(t, l.recovery, "DROP TABLE bigc")
	for _, c := range []struct {
		o    Options
		says string
	}{{l.options(keys), "the recovery database does not have it either"}, {l.options(whole), "its rows are in the journal"}, {l.alone(whole), "its rows are in the journal"}} {
		if _, err := Restore(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), skip) || strings.Contains(err.Error(), "pg_dump") {
			t.Errorf("%v; want %q", err, c.says)
		}
	}
	for _, o := range []Options{l.options(keys), l.alone(whole)} {
		if report := l.restore(skipping(o)); report.Restored != 3 || !report.Complete() || l.count(report, "bigc").Filtered != 3 {
			t.Errorf("%+v", report)
		}
	}
}

// Made anew, it takes its rows from the journal.
func TestMapping_TableIsMadeAnew(t *testing.T) {
	const bigc = "CREATE TABLE bigc (id int PRIMARY KEY, big int REFERENCES big ON DELETE CASCADE)"
	l := newLab(t, "CREATE TABLE big (id int PRIMARY KEY); "+bigc+"; INSERT INTO big VALUES (1); INSERT INTO bigc VALUES (7, 1)")
	whole := l.imaged(nil, "DELETE FROM big")
	l.exec("DROP TABLE bigc", bigc)
	if report := l.restore(l.alone(whole)); report.Restored != 2 || !report.Complete() {
		t.Errorf("%+v", report)
	}
}

func TestDrift_NewRulesAreRefusedByName(t *testing.T) {
	l := newLab(t, `CREATE DOMAIN small AS int; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE p (id int PRIMARY KEY, a text, b int, m mood, s small);
		INSERT INTO p SELECT i, CASE WHEN i > 2 THEN 'a' END, i, 'sad', i FROM generate_series(1, 9) i`).backup()
	id := l.incident("DELETE FROM p")
	l.exec("ALTER TABLE p ALTER a SET NOT NULL, ADD CONSTRAINT low CHECK (b < 8)")
	l.refused(l.options(id), Unfit, "public.p.a is NOT NULL in production, and 2 rows have no value there", "columns: {a: SQL}", "2 rows of public.p break its CHECK constraint low: (b < 8)")
	o := l.options(id)
	o.Config = configured(t, `tables: {p: {columns: {a: "coalesce(a, 'none')", b: "least(b, 7)"}}}`)
	l.exec("ALTER DOMAIN small ADD CHECK (VALUE < 9)")
	l.refused(o, Unfit, "do not fit public.p.s: a value breaks a constraint that its domain has", "columns: {COLUMN: SQL}")
	l.exec("ALTER DOMAIN small DROP CONSTRAINT small_check; ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'; ALTER TYPE mood ADD VALUE 'new'")
	l.refused(o, Unfit, "do not fit public.p.m: a value does not fit")
	o.Config = configured(t, `tables: {p: {columns: {a: "coalesce(a, 'none')", b: "least(b, 7)", m: "replace(m::text, 'sad', 'blue')"}}}`)
	report := l.restore(o)
	if row := l.state(l.production)["public.p"]["1"]; row["a"] != "none" || row["m"] != "blue" || report.Restored != 9 {
		t.Errorf("%q %+v", row, report)
	}
}

func TestOnDifferent(t *testing.T) {
	l := newLab(t, twoTables).backup()
	id := l.incident("DELETE FROM p")
	l.exec("INSERT INTO p VALUES (1, 'p1', 77), (2, 'p2', 77)")
	o := l.options(id)
	o.OnDifferent = FailDifferent
	l.refused(o, Differs, "2 rows of public.p in production with other values now")
	o.OnDifferent = SkipDifferent
	report := l.restore(o)
	if c := l.count(report, "p"); c.Different != 2 || c.Restored != 7 || !report.Complete() || len(report.Unrestored) != 0 {
		t.Errorf("%+v, %v", c, reasons(report))
	}
	if c := l.count(report, "c"); c.Restored != 9 {
		t.Errorf("c: %+v", c)
	}
	if row := l.state(l.production)["public.p"]["1"]; row["v"] != "77" {
		t.Errorf("a live row was changed: %q", row)
	}
	o.OnDifferent = ReportDifferent
	if report := l.restore(o); report.Complete() || len(report.Unrestored) != 2 {
		t.Errorf("%v", reasons(report))
	}
}

// The table was renamed since, and another one has its name: it is said where the rows go,
// and they go where the configuration sends them.
func TestMapping_AnotherTableHasTheName(t *testing.T) {
	for name, config := range map[string]*Config{"without a word": nil, "configured": {Tables: []TableConfig{{Name: "o_old", From: "o"}}}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "CREATE TABLE o (id int PRIMARY KEY, v text); INSERT INTO o SELECT i, 'old' FROM generate_series(1, 3) i").backup()
			id := l.incident("DELETE FROM o WHERE id < 3")
			l.exec("ALTER TABLE o RENAME TO o_old; CREATE TABLE o (id int PRIMARY KEY, v text)")
			o := l.options(id)
			o.Config = config
			r := l.restore(o)
			warned := strings.Contains(strings.Join(r.Warnings, "\n"), "the table that is called public.o_old now")
			if warned != (config == nil) || r.Restored != 2 {
				t.Errorf("%d rows restored, warnings %q", r.Restored, r.Warnings)
			}
		})
	}
}
