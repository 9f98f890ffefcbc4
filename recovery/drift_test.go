package recovery

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestDrift_IsNamedAndKeepsValues(t *testing.T) {
	l := newLab(t, `
		CREATE TABLE p (id int PRIMARY KEY, small int, amount numeric(10,2), name varchar(5), old text, kind text);
		INSERT INTO p SELECT i, i, i / 4.0, 'n' || i, 'o', 'k' FROM generate_series(1, 20) i`).backup()
	id := l.incident("DELETE FROM p WHERE id < 10")
	l.exec(`ALTER TABLE p ALTER id TYPE bigint, ALTER small TYPE bigint, ALTER amount TYPE numeric(12,4), ALTER name TYPE text, DROP old, ADD fresh text DEFAULT 'd', ADD empty text`)
	report := l.restore(l.options(id))
	row := l.state(l.production)["public.p"]["3"]
	if row["small"] != "3" || row["amount"] != "0.7500" || row["name"] != "n3" || row["fresh"] != "d" || row["empty"] != null {
		t.Errorf("row 3: %v", row)
	}
	said := strings.Join(report.Warnings, "\n")
	for _, want := range []string{"public.p.id: integer in the recovery database, bigint in production", "public.p.amount: numeric(10,2)", "public.p.old exists only in the recovery database",
		"public.p.fresh is not in the recovery database; restored rows get its default: 'd'", "public.p.empty is not in the recovery database; it stays NULL"} {
		if !strings.Contains(said, want) {
			t.Errorf("the report does not say %q:\n%s", want, said)
		}
	}
}

// A generated column is computed anew: nothing of it is left out.
func TestDrift_GeneratedColumnsAreNotMissed(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, name text, search tsvector GENERATED ALWAYS AS (to_tsvector('simple', name)) STORED); INSERT INTO p VALUES (1, 'a'), (2, 'b')").backup()
	if report := l.restore(l.options(l.incident("DELETE FROM p"))); len(report.Warnings) != 0 {
		t.Errorf("%q", report.Warnings)
	}
}

func TestDrift_ValueThatDoesNotFitIsRefused(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, v numeric(10,4), s text); INSERT INTO p VALUES (1, 1.2345, 'short'), (2, 1.5, 'short')").backup()
	id := l.incident("DELETE FROM p")
	l.exec("ALTER TABLE p ALTER v TYPE numeric(10,2)")
	l.refused(l.options(id), Unfit, "public.p.v: numeric(10,4) in the recovery database does not fit numeric(10,2) in production: 1 values would change", "columns: {v: SQL}")
	l.exec("ALTER TABLE p ALTER v TYPE numeric(10,4), ALTER s TYPE varchar(3)")
	l.refused(l.options(id), Unfit, "public.p.s: text in the recovery database does not fit character varying(3)", "columns: {s: SQL}")
}

func TestTypes_BitForBit(t *testing.T) {
	multirange := "nummultirange"
	if pgtest.Shared(t).Version() < 14 || pgtest.Recovery(t).Version() < 14 {
		multirange = "text"
	}
	l := newLab(t, strings.Replace(`
		CREATE TYPE mood AS ENUM ('sad', 'o''k'); CREATE DOMAIN posint AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text);
		CREATE COLLATION german (provider = icu, locale = 'de');
		CREATE TABLE p (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), a int[], m mood, ms mood[], d posint, c pair, r int4range, mr nummultirange, i interval, x xml, mo money,
			pt point, bits varbit, j jsonb, js json, ts timestamp, dt date, n numeric, f real, k text COLLATE german UNIQUE, tz timetz, ip inet, ch char(4), rc regclass, tv tsvector, na name);
		INSERT INTO p (a, m, ms, d, c, r, mr, i, x, mo, pt, bits, j, js, ts, dt, n, f, k, tz, ip, ch, rc, tv, na) VALUES
			('[2:3][0:1]={{1,NULL},{3,4}}', 'o''k', '{sad,NULL}', 1, '(1,"x,""y")', '[1,5)', '{[1.0,2.00),(3,)}', '1 mon -2 days 3.000001 s', '<a>&#233;</a>', '-12.34',
			 '(1,-0)', B'10101', '{"b": 1.00, "a": "\u00e9"}', '{"b" : 1,"b":2}', 'infinity', '-infinity', '1.000', '-0', 'ß', '12:00:00.5+05:30', '10.0.0.1/8', 'x', 'p', 'a:1B b:2', 'n'),
			('{}', NULL, '{}', NULL, '(,)', 'empty', '{}', '-178000000 years', NULL, 0, NULL, '', 'null', 'null', '4713-01-01 BC', '5000000-01-01', 'NaN', 'NaN', 'Ä', NULL, '::1', '', NULL, '', '')`, "nummultirange", multirange, 1))
	l.backup()
	before := l.state(l.production)
	sum := func() string {
		rows, err := l.side(l.production).rows(context.Background(), "SELECT md5(string_agg(encode(record_send(p), 'hex'), ',' ORDER BY id)) FROM p")
		if err != nil {
			t.Fatal(err)
		}
		return *rows[0][0]
	}
	bits := sum()
	id := l.incident("DELETE FROM p")
	report := l.restore(l.options(id))
	l.is(l.state(l.production), before)
	if report.Restored != 2 || sum() != bits {
		t.Errorf("not bit for bit: %+v", report)
	}
}

func TestPartitions_ThroughTheRoot(t *testing.T) {
	l := newLab(t, `
		CREATE TABLE p (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
		CREATE TABLE p_old PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
		CREATE TABLE p_new PARTITION OF p FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY HASH (id);
		CREATE TABLE p_new0 PARTITION OF p_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE p_new1 PARTITION OF p_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		CREATE TABLE c (id int PRIMARY KEY, p_id int, p_at date, FOREIGN KEY (p_id, p_at) REFERENCES p ON DELETE CASCADE);
		INSERT INTO p SELECT i, '2020-01-01'::date + i, 'v' || i FROM generate_series(1, 700) i;
		INSERT INTO c SELECT i, i, '2020-01-01'::date + i FROM generate_series(1, 700) i`).backup()
	for _, who := range []string{"superuser", "ordinary role"} {
		before := l.state(l.production)
		id := l.incident("DELETE FROM p WHERE id % 3 = 0")
		l.exec("CREATE TABLE IF NOT EXISTS p_more PARTITION OF p DEFAULT")
		o := l.options(id)
		if who != "superuser" {
			role := l.role(allGrants...)
			o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
		}
		report := l.restore(o)
		l.is(l.state(l.production), before)
		if !report.Complete() || l.count(report, "p").Restored != 233 || l.count(report, "c").Restored != 233 {
			t.Errorf("%s: %+v", who, report)
		}
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPartitions_NamedByLeaf(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
		INSERT INTO p SELECT i, 'x' FROM generate_series(1, 50) i`).backup()
	before := l.state(l.production)
	l.exec("DELETE FROM p WHERE id > 40")
	source, err := FromKeyFile(write(t, "id\n41\n42\n43\n44\n45\n46\n47\n48\n49\n50\n"), "p1")
	if err != nil {
		t.Fatal(err)
	}
	l.restore(Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: source})
	l.is(l.state(l.production), before)
}

func TestImpact_CountsByKey(t *testing.T) {
	l := newLab(t, twoTables).backup()
	l.exec("DELETE FROM p WHERE id < 4", "INSERT INTO p SELECT i, 'n' || i FROM generate_series(100, 110) i")
	production, recovery := l.side(l.production), l.side(l.recovery)
	rows, err := Impact(context.Background(), production.conn, recovery.conn, []string{"p", "public.c"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (ImpactRow{"public.p", 3, 9, 17}); rows[0] != want {
		t.Errorf("%+v, want %+v", rows[0], want)
	}
	if want := (ImpactRow{"public.c", 3, 9, 6}); rows[1] != want {
		t.Errorf("%+v, want %+v", rows[1], want)
	}
	var text strings.Builder
	WriteImpact(&text, rows)
	if !strings.Contains(text.String(), "33.33") {
		t.Errorf("%s", text.String())
	}
	pgtest.Exec(t, l.production, "DO $$ BEGIN IF to_regclass('pg_temp.rowback_impact') IS NOT NULL THEN RAISE 'left behind'; END IF; END $$")
}

func TestForeignKeys_AcrossCollationsAndTypes(t *testing.T) {
	l := newLab(t, `
		CREATE TABLE p (a text COLLATE "C", b bigint, PRIMARY KEY (a, b));
		CREATE TABLE c (id int PRIMARY KEY, a varchar(20) COLLATE "POSIX", b smallint, FOREIGN KEY (a, b) REFERENCES p ON DELETE CASCADE);
		CREATE TABLE n (id int PRIMARY KEY, a text COLLATE "en-x-icu", b int, FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL);
		INSERT INTO p SELECT 'k' || i, i FROM generate_series(1, 9) i; INSERT INTO c SELECT b, a, b FROM p; INSERT INTO n SELECT b, a, b FROM p`).backup()
	before := l.state(l.production)
	id := l.incident("DELETE FROM p WHERE b > 3")
	report := l.restore(l.options(id))
	l.is(l.state(l.production), before)
	if !report.Complete() || l.count(report, "n").Relinked != 6 {
		t.Errorf("%+v", report)
	}
}

// What production makes of a generated column may not be what the row had: that is said.
func TestDrift_GeneratedColumns(t *testing.T) {
	for change, warned := range map[string]bool{
		"ALTER TABLE o DROP gross, ADD gross int GENERATED ALWAYS AS (net * 2) STORED": true,
		"ALTER TABLE o DROP made, ADD made int GENERATED ALWAYS AS (net * 2) STORED":   true,
		"ALTER TABLE o ADD more int": false,
	} {
		l := newLab(t, "CREATE TABLE o (id int PRIMARY KEY, net int, gross int, made int GENERATED ALWAYS AS (net + 1) STORED); INSERT INTO o VALUES (1, 100, 119)").backup()
		id := l.incident("DELETE FROM o")
		l.exec(change)
		report := l.restore(l.options(id))
		if said := strings.Contains(strings.Join(report.Warnings, "\n"), "is a generated column in production"); said != warned || report.Restored != 1 {
			t.Errorf("%s: %+v", change, report)
		}
	}
}
