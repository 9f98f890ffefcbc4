package recovery

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

const fiveLinks = `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL); INSERT INTO p SELECT generate_series(1, 9); INSERT INTO c SELECT i, i FROM generate_series(1, 9) i`

// A parent that another session removes between plan and writing is found to be gone by
// the next try, also where no trigger says so.
func TestRelink_ParentGoesMeanwhile(t *testing.T) {
	for _, who := range []string{"superuser", "ordinary role"} {
		l := newLab(t, fiveLinks).backup()
		id := l.incident("DELETE FROM p WHERE id <= 5")
		l.exec("INSERT INTO p VALUES (1)")
		o := l.options(id)
		if who != "superuser" {
			o.Production = l.asRole(l.production, l.role(allGrants...))
		}
		o.Config, o.LockTimeout = configured(t, `before: ["SELECT pg_advisory_lock(1)"]`), time.Minute
		conn := l.connect()
		must(t, conn, "SELECT pg_advisory_lock(1)")
		type result struct {
			report *Report
			err    error
		}
		done := make(chan result)
		go func() {
			report, err := Restore(context.Background(), o)
			done <- result{report, err}
		}()
		l.await("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name = 'rowback restore' AND datname = current_database())")
		must(t, conn, "DELETE FROM p WHERE id = 1")
		must(t, conn, "SELECT pg_advisory_unlock(1)")
		if r := <-done; r.err != nil || l.count(r.report, "p").Restored != 5 || l.count(r.report, "c").Relinked != 5 {
			t.Errorf("%s: %v %+v", who, r.err, r.report)
		}
	}
}

// Triggers that fire when links are given back are in the plan, and in the report.
func TestRelink_ItsTriggersAreListed(t *testing.T) {
	l := newLab(t, fiveLinks, "CREATE FUNCTION mail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$").backup()
	id := l.incident("DELETE FROM p WHERE id <= 5")
	l.exec("CREATE TRIGGER tell AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION mail()")
	role := l.role(allGrants...)
	for _, dry := range []bool{true, false} {
		o := l.options(id)
		o.Production, o.DryRun = l.asRole(l.production, role), dry
		if r := l.restore(o); len(r.Triggers) != 1 || !strings.Contains(r.Triggers[0], "tell on public.c") {
			t.Errorf("dry %v: %q", dry, r.Triggers)
		}
	}
}

// What keeps links from being given back is said before anything is written, with the way out.
func TestRelink_WhatIsInTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		since, refused, listed string
		relinked               int64
	}{
		"a rule instead":              {"CREATE RULE frozen AS ON UPDATE TO c WHERE OLD.id < 3 DO INSTEAD NOTHING", "", "links of 5 rows not restored, they stay cut: a rule on UPDATE of table public.c does something instead; disable it", 0},
		"a rule that does more":       {"CREATE TABLE log (id int); GRANT INSERT ON log TO ROLE; CREATE RULE noted AS ON UPDATE TO c DO ALSO INSERT INTO log VALUES (NEW.id)", "", "", 5},
		"a rule that is disabled":     {"CREATE RULE frozen AS ON UPDATE TO c DO INSTEAD NOTHING; ALTER TABLE c DISABLE RULE frozen", "", "", 5},
		"row-level security":          {"ALTER TABLE c ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON c USING (id < 3)", "use a role with BYPASSRLS", "", 0},
		"a function without a schema": {"CREATE FUNCTION small(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'; CREATE FUNCTION smaller(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN small($1); END $$; ALTER TABLE c ADD e text, ADD g text GENERATED ALWAYS AS (smaller(e)) STORED, ADD CHECK (x > 0)", "", "", 5},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, fiveLinks).backup()
			id := l.incident("DELETE FROM p WHERE id <= 5")
			role := l.role(allGrants...)
			l.on(l.production, strings.ReplaceAll(c.since, "ROLE", role))
			o := l.options(id)
			o.Production = l.asRole(l.production, role)
			if c.refused != "" {
				l.refused(o, Denied, c.refused)
				return
			}
			report := l.restore(o)
			if n := l.count(report, "p").Restored; n != 5 || report.Complete() != (c.listed == "") || c.listed != "" && !strings.Contains(report.Unrestored[0].Reason, c.listed) {
				t.Errorf("%d, %+v", n, report.Unrestored)
			}
			if c.relinked > 0 && l.count(report, "c").Relinked != c.relinked {
				t.Errorf("%+v", report.Tables)
			}
		})
	}
	l := newLab(t, fiveLinks).backup() // a superuser's restore keeps rules quiet, too
	id := l.incident("DELETE FROM p WHERE id <= 5")
	l.exec("CREATE RULE frozen AS ON UPDATE TO c DO INSTEAD NOTHING")
	if report := l.restore(l.options(id)); !report.Complete() || l.count(report, "c").Relinked != 5 {
		t.Errorf("%+v", report)
	}
}

// Rows are on record by the key that they had: where the deletion changed that, too, they are not found by it.
func TestRelink_OfTheKeyItself(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (x int DEFAULT 0 REFERENCES p ON DELETE SET DEFAULT, n int, PRIMARY KEY (x, n)); INSERT INTO p VALUES (0), (1); INSERT INTO c VALUES (1, 1)`).backup()
	l.exec("DELETE FROM p WHERE id = 1")
	one := "1"
	integer := func(names ...string) (out []journal.Column) {
		for _, n := range names {
			out = append(out, journal.Column{Name: n, Type: "integer"})
		}
		return out
	}
	id := l.record(&journal.Entry{Database: l.name, Outcome: journal.Committed, Rows: 1, Tables: []journal.Table{
		{Schema: "public", Name: "p", Rows: 1, Via: journal.Direct, KeysCaptured: true, Key: integer("id")},
		{Schema: "public", Name: "c", Rows: 1, Via: journal.SetDef, KeysCaptured: true, Key: integer("x", "n"), Old: integer("x")}}},
		journal.Row{Values: []*string{&one}}, journal.Row{Table: 1, Values: []*string{&one, &one, &one}})
	if report := l.restore(l.options(id)); report.Restored != 1 || !strings.Contains(reasons(report)["c "], "the deletion changed the key (x, n) itself") {
		t.Errorf("%d, %v", report.Restored, reasons(report))
	}
}
