package protect_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/internal/pgtest"
)

const oddNames = `CREATE SCHEMA "Ünï.Sch ema"; CREATE TYPE "Ünï.Sch ema"."Mo'od" AS ENUM ('a b', '''q', 'x"y\');
CREATE TABLE "Ünï.Sch ema"."Ta ""b'\$rowback$" ("Kéy 'x\" text, "user" int GENERATED ALWAYS AS IDENTITY, m "Ünï.Sch ema"."Mo'od", PRIMARY KEY ("Kéy 'x\", m));
INSERT INTO "Ünï.Sch ema"."Ta ""b'\$rowback$" ("Kéy 'x\", m) VALUES (E'a\'b"c\\d\n\t\r{},NULL', 'x"y\'), ('', '''q')`

func TestInstall_IsIdempotentAndRemoveLeavesTheSchemaAsItWas(t *testing.T) {
	l := newLab(t, shop, partitioned, oddNames, "CREATE TABLE bag (x int); CREATE TABLE lone (id int PRIMARY KEY)")
	before := l.schema()
	first := l.install(protect.InstallOptions{All: true})
	l.covered()
	installed := l.schema()
	for _, o := range []protect.InstallOptions{{All: true}, {}, {Tables: []string{"orders"}}} {
		if p := l.install(o); len(p.SQL) != 0 {
			t.Errorf("%+v changes something: %q", o, p.SQL)
		}
	}
	if first.SQL == nil || l.schema() != installed {
		t.Error("installing again changed the schema")
	}
	l.exec("DELETE FROM refunds WHERE id = 1")
	l.remove(protect.RemoveOptions{All: true})
	if got := l.query("SELECT count(*) FROM rowback.evidence"); got[0] != "1" || len(l.query("SELECT 1 FROM pg_trigger WHERE tgname ~ '^rowback_' AND tgname <> 'rowback_net' UNION ALL SELECT 1 FROM pg_event_trigger")) != 0 {
		t.Errorf("evidence %v, or triggers are left", got)
	}
	l.exec("DELETE FROM refunds WHERE id = 2")
	l.install(protect.InstallOptions{All: true})
	l.covered()
	if got := l.schema(); got != installed {
		t.Error("installing after removing gives another schema")
	}
	l.remove(protect.RemoveOptions{All: true, Purge: true})
	if got := l.schema(); got != before {
		t.Errorf("not as before: %q", lines(got, before))
	}
	l.remove(protect.RemoveOptions{All: true, Purge: true}) // nothing is there: fine
}

func TestRemove_OneTableAndWhatFollowsItAlone(t *testing.T) {
	l := newLab(t, shop, "CREATE TABLE shipments (id int PRIMARY KEY); CREATE TABLE lines (s int REFERENCES shipments ON DELETE CASCADE, o bigint REFERENCES orders ON DELETE CASCADE)")
	l.install(protect.InstallOptions{Tables: []string{"shipments"}, Threshold: 70})
	was := l.schema()
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 30, Mode: protect.Alert})
	l.covered()
	for _, x := range l.status("lines").Tables {
		if x.Threshold != 30 || x.Mode != protect.Block { // the stricter of both
			t.Errorf("%+v", x)
		}
	}
	var bad *protect.RequestError
	if _, err := protect.Remove(context.Background(), l.conn, protect.RemoveOptions{Tables: []string{"payments"}}); !errors.As(err, &bad) || !strings.Contains(err.Error(), "orders") {
		t.Errorf("%v", err)
	}
	if _, err := protect.Remove(context.Background(), l.conn, protect.RemoveOptions{Tables: []string{"orders"}, Purge: true}); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
	l.remove(protect.RemoveOptions{Tables: []string{"orders"}})
	if got := l.schema(); got != was {
		t.Errorf("not as before orders was guarded: %q", lines(got, was))
	}
	l.covered()
}

// What a dry run prints makes the same schema, and does nothing itself.
func TestDryRun_IsWhatRuns(t *testing.T) {
	a, b := newLab(t, shop, oddNames, partitioned), newLab(t, shop, oddNames, partitioned)
	psql := func(p *protect.Plan) {
		t.Helper()
		var script bytes.Buffer
		if err := p.WriteSQL(&script); err != nil {
			t.Fatal(err)
		}
		c := pgtest.Shared(t)
		cmd := c.Client(t, "psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", c.URL(b.name))
		cmd.Stdin = &script
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	same := func() {
		t.Helper()
		if x, y := a.schema(), b.schema(); x != y {
			t.Errorf("the schemas differ: %q", lines(x, y))
		}
	}
	before := b.schema()
	for _, o := range []protect.InstallOptions{{All: true}, {Tables: []string{"orders"}, Threshold: 5, Mode: protect.Alert}, {Tables: []string{"orders"}, Alone: true}} {
		dry := o
		dry.DryRun = true
		p := b.install(dry)
		run := a.install(o)
		equal(t, "dry run", p.SQL, run.SQL)
		if now := b.schema(); now != before {
			t.Fatal("the dry run did something")
		}
		psql(p)
		same()
		before = b.schema()
	}
	o := protect.RemoveOptions{All: true, Purge: true, DryRun: true}
	psql(b.remove(o))
	o.DryRun = false
	a.remove(o)
	same()
}

func TestInstall_MendsWhatIsAmiss(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 77})
	for _, c := range [][2]string{
		{"ALTER TABLE refunds DISABLE TRIGGER rowback_block", "trigger rowback_block is disabled"},
		{"ALTER TABLE refunds DISABLE TRIGGER ALL", "trigger rowback_begin is disabled"},
		{"ALTER TABLE refunds ENABLE REPLICA TRIGGER rowback_end", "trigger rowback_end is disabled"},
		{"DROP TRIGGER rowback_truncate ON refunds", "trigger rowback_truncate is missing"},
		{"ALTER TABLE refunds RENAME id TO nr", "out of date"},
		{"ALTER TABLE refunds ALTER nr TYPE numeric", "out of date"},
		{"CREATE TABLE notes (id int PRIMARY KEY, refund numeric REFERENCES refunds ON DELETE CASCADE)", "not covered: public.notes"},
		{"DROP TRIGGER rowback_begin ON orders; CREATE TRIGGER rowback_begin BEFORE DELETE ON orders EXECUTE FUNCTION rowback.guard_begin('0', '77', 'block', 'named')", "out of date"},
	} {
		sql, problem := c[0], c[1]
		l.exec(sql)
		if s := l.status(); s.OK() || !strings.Contains(strings.Join(problems(s), "\n"), problem) {
			t.Errorf("%s: %q", sql, problems(s))
		}
		l.install(protect.InstallOptions{})
		l.covered()
		refused(t, try(l.connect("postgres"), "DELETE FROM orders"), "limit 77")
	}
	l.exec("ALTER EVENT TRIGGER rowback_drop DISABLE")
	if s := l.status(); s.Drops != "disabled" {
		t.Errorf("%+v", s)
	}
	l.install(protect.InstallOptions{})
	if s := l.status(); s.Drops != "watched" {
		t.Errorf("%+v", s)
	}
}

func problems(s *protect.Status) (out []string) {
	for _, x := range s.Tables {
		out = append(out, x.Problems...)
	}
	return out
}

// Triggers and functions of an elder version are replaced, the evidence stays.
func TestInstall_Upgrades(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 77})
	want := l.schema()
	l.exec("DELETE FROM refunds WHERE id = 1", "UPDATE rowback.version SET version = 1", `CREATE OR REPLACE FUNCTION rowback.guard_mark() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN 0; END'`,
		`DO $$ DECLARE r record; BEGIN FOR r IN SELECT tgrelid::regclass t, tgname, pg_get_triggerdef(oid) d FROM pg_trigger WHERE tgname ~ '^rowback_' AND tgname <> 'rowback_net' LOOP
			EXECUTE format('DROP TRIGGER %I ON %s', r.tgname, r.t); EXECUTE replace(r.d, '(''2'',', '(''1'','); END LOOP; END $$`)
	if s := l.status(); s.OK() || !strings.Contains(problems(s)[0], "installed by version 1") {
		t.Errorf("%q", problems(s))
	}
	l.install(protect.InstallOptions{})
	l.covered()
	if got := l.schema(); got != want {
		t.Errorf("not as installed: %q", lines(got, want))
	}
	equal(t, "evidence", l.evidence(), []string{"public.refunds direct 1 1"})
	l.exec("UPDATE rowback.version SET version = 99")
	if _, err := protect.Install(context.Background(), l.conn, protect.InstallOptions{}); !errors.Is(err, protect.ErrNewer) {
		t.Errorf("%v", err)
	}
}

func TestInstall_RefusesWhatCannotBeGuarded(t *testing.T) {
	l := newLab(t, "CREATE SCHEMA s; CREATE TABLE a (id int); CREATE TABLE s.a (id int); CREATE VIEW v AS SELECT 1 AS x; CREATE MATERIALIZED VIEW m AS SELECT 1 AS x",
		"CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE f (id int) SERVER f OPTIONS (filename '/nothing'); CREATE TABLE p (id int) PARTITION BY LIST (id); ALTER TABLE p ATTACH PARTITION f DEFAULT")
	for name, why := range map[string]string{"nothing": "no table nothing", "a": "say which", "v": "view", "m": "view", "f": "foreign table", "p": "foreign table"} {
		var bad *protect.RequestError
		_, err := protect.Install(context.Background(), l.conn, protect.InstallOptions{Tables: []string{name}})
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p := l.install(protect.InstallOptions{All: true}); len(p.Tables) != 2 || len(p.Notes) != 1 {
		t.Errorf("%+v", p)
	}
}

// A table that others are busy with is waited for, and not longer than asked.
func TestInstall_GivesUpWaiting(t *testing.T) {
	l := newLab(t, shop)
	busy := l.connect("postgres")
	if err := try(busy, "BEGIN; INSERT INTO refunds VALUES (1000, 1)"); err != nil {
		t.Fatal(err)
	}
	_, err := protect.Install(context.Background(), l.conn, protect.InstallOptions{Tables: []string{"orders"}, Defaults: protect.Limits{Threshold: 1, Mode: protect.Block}, LockTimeout: 50e6})
	if err == nil || !strings.Contains(err.Error(), "--lock-timeout") {
		t.Errorf("%v", err)
	}
	if l.status().Installed {
		t.Error("half of it is there")
	}
}

// lines are those that only one of two texts has.
func lines(a, b string) (out []string) {
	for i, pair := range [][2]string{{a, b}, {b, a}} {
		for line := range strings.Lines(pair[0]) {
			if !strings.Contains(pair[1], line) {
				out = append(out, []string{"+", "-"}[i]+line)
			}
		}
	}
	return out
}
