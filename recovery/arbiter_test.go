package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

const (
	// A collation by which Bob and bob are equal.
	foldCase = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
	// A table of emails, and one of them in two partitions; one has partitions of its own.
	emails = "CREATE TABLE u (id int PRIMARY KEY, email text, low text GENERATED ALWAYS AS (lower(email)) STORED); INSERT INTO u VALUES (1, 'Bob'), (2, 'Ann'), (150, 'bob'), (200, 'Bob');"
	parted = `CREATE TABLE u (id int PRIMARY KEY, email text) PARTITION BY RANGE (id); CREATE TABLE u1 PARTITION OF u FOR VALUES FROM (0) TO (100);
		CREATE TABLE u2 PARTITION OF u DEFAULT PARTITION BY RANGE (id); CREATE TABLE u20 PARTITION OF u2 FOR VALUES FROM (100) TO (200); CREATE TABLE u21 PARTITION OF u2 DEFAULT;
		INSERT INTO u VALUES (1, 'Bob'), (2, 'Ann'), (150, 'bob'), (200, 'Bob');`
)

// Each row that a live row keeps out is listed, whatever it is by; the others come back.
func TestConflicts_BySpecialIndexes(t *testing.T) {
	for _, c := range []struct {
		name, schema, since string
		version             int
		restored, conflicts int64
	}{
		{name: "collation", schema: foldCase + emails + "DELETE FROM u WHERE id > 2; CREATE UNIQUE INDEX ON u (email COLLATE ci)", since: "INSERT INTO u VALUES (3, 'BOB')", restored: 1, conflicts: 1},
		{name: "collation, of an expression", schema: foldCase + emails + "DELETE FROM u WHERE id > 2; CREATE UNIQUE INDEX ON u ((email || '') COLLATE ci)", since: "INSERT INTO u VALUES (3, 'BOB')", restored: 1, conflicts: 1},
		{name: "collation, on the key", schema: foldCase + "CREATE TABLE u (email text PRIMARY KEY); CREATE UNIQUE INDEX ON u (email COLLATE ci); INSERT INTO u VALUES ('Bob'), ('Ann')", since: "INSERT INTO u VALUES ('bob')", restored: 1, conflicts: 1},
		{name: "collation, deferrable exclusion", schema: foldCase + emails + "DELETE FROM u WHERE id > 2; ALTER TABLE u ADD EXCLUDE USING btree (email COLLATE ci WITH =) DEFERRABLE INITIALLY DEFERRED", since: "INSERT INTO u VALUES (3, 'BOB')", restored: 1, conflicts: 1},
		{name: "operator class", schema: emails + "CREATE UNIQUE INDEX ON u (email text_pattern_ops, id)", since: "INSERT INTO u VALUES (3, 'Bob')", restored: 4},
		{name: "nulls not distinct, deferrable", version: 15, schema: emails + "DELETE FROM u WHERE id > 2; UPDATE u SET email = NULL WHERE id = 1; ALTER TABLE u ADD UNIQUE NULLS NOT DISTINCT (email) DEFERRABLE", since: "INSERT INTO u VALUES (3, NULL)", restored: 1, conflicts: 1},
		{name: "partition", schema: parted + "CREATE UNIQUE INDEX ON u1 (email)", since: "INSERT INTO u VALUES (3, 'Bob'), (300, 'Bob')", restored: 3, conflicts: 1},
		{name: "partition with partitions", schema: parted + "CREATE UNIQUE INDEX ON u2 (id, lower(email)); CREATE UNIQUE INDEX ON u21 (email)", since: "INSERT INTO u VALUES (3, 'Bob'), (151, 'Bob'), (300, 'Bob')", restored: 3, conflicts: 1},
		{name: "partition, deferrable", schema: parted + "ALTER TABLE u1 ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED", since: "INSERT INTO u VALUES (3, 'Bob'), (300, 'Bob')", restored: 3, conflicts: 1},
		{name: "partition and table, deferrable", schema: parted + "ALTER TABLE u ADD UNIQUE (id, email) DEFERRABLE; ALTER TABLE u1 ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED", since: "INSERT INTO u VALUES (3, 'Bob')", restored: 3, conflicts: 1},
		{name: "partition, deferrable, without a conflict", schema: parted + "ALTER TABLE u1 ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED", since: "INSERT INTO u VALUES (300, 'Ann')", restored: 4},
		{name: "generated column", schema: emails + "DELETE FROM u WHERE id > 2; ALTER TABLE u ADD UNIQUE (low)", since: "INSERT INTO u VALUES (3, 'bob')", restored: 1, conflicts: 1},
		{name: "expression over a generated column", schema: emails + "DELETE FROM u WHERE id > 2; CREATE UNIQUE INDEX ON u ((low || '!')) WHERE id > 0", since: "INSERT INTO u VALUES (3, 'bob')", restored: 1, conflicts: 1},
		{name: "whole row, without a conflict", schema: emails + "CREATE FUNCTION id_of(u) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.id'; CREATE UNIQUE INDEX ON u (email, id_of(u))", since: "INSERT INTO u VALUES (3, 'Bob')", restored: 4},
	} {
		for _, who := range []string{"superuser", "ordinary role"} {
			if who != "superuser" && !strings.Contains(c.name, "deferrable") {
				continue // what is not deferrable both keep alike
			}
			t.Run(c.name+" "+who, func(t *testing.T) {
				if c.version > 0 {
					pgtest.Since(t, c.version, c.name)
				}
				l := newLab(t, c.schema).backup()
				o := l.options(l.incident("DELETE FROM u"))
				l.exec(c.since)
				if who != "superuser" {
					o.Production = l.asRole(l.production, l.role(allGrants...))
				}
				report := l.restore(o)
				if n := l.count(report, "u"); n.Restored != c.restored || n.Conflicts != c.conflicts {
					t.Errorf("%+v %v", n, reasons(report))
				}
				for _, why := range reasons(report) {
					if !strings.Contains(why, "another live row holds its value in u") {
						t.Error(why)
					}
				}
			})
		}
	}
}

// What images leave out the recovery database has of some rows: of these it counts.
func TestConflicts_ByAColumnThatImagesLeaveOut(t *testing.T) {
	l := newLab(t, `CREATE TABLE g (id int PRIMARY KEY); INSERT INTO g VALUES (1), (2);
		CREATE TABLE u (id int PRIMARY KEY, ssn text UNIQUE, g int REFERENCES g); INSERT INTO u VALUES (1, 'x', 1), (2, 'y', 1), (4, 'z', 2)`).backup()
	l.exec("INSERT INTO u VALUES (3, 'newer than the backup', 1)")
	id := l.imaged(func(_, c string) bool { return c != "ssn" && c != "g" }, "DELETE FROM u")
	l.exec("INSERT INTO u VALUES (9, 'x', 1); DELETE FROM g WHERE id = 2")
	report := l.restore(l.options(id))
	if n := l.count(report, "u"); n.Restored != 2 || n.Conflicts != 1 || n.ParentGone != 1 {
		t.Errorf("%+v %v", n, reasons(report))
	}
	if got, want := fmt.Sprint(l.content("u")), "[(2,y,1) (3,,) (9,x,1)]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Triggers are quiet, and with them the re-check of deferrable constraints: what
// slips past them before the commit is found.
func TestVerify_DeferrableConstraints(t *testing.T) {
	for _, c := range []struct {
		name, schema, slip string
		version            int
	}{
		{"collation", foldCase + emails + "DELETE FROM u WHERE id > 2; ALTER TABLE u ADD CONSTRAINT one EXCLUDE USING btree (email COLLATE ci WITH =) DEFERRABLE INITIALLY DEFERRED", "INSERT INTO u VALUES (3, 'BOB')", 0},
		{"partition", parted + "ALTER TABLE u1 ADD CONSTRAINT one UNIQUE (email) DEFERRABLE INITIALLY DEFERRED", "INSERT INTO u VALUES (3, 'Bob')", 0},
		{"nulls not distinct", emails + "DELETE FROM u WHERE id > 2; UPDATE u SET email = NULL WHERE id = 1; ALTER TABLE u ADD CONSTRAINT one UNIQUE NULLS NOT DISTINCT (email) DEFERRABLE INITIALLY DEFERRED", "INSERT INTO u VALUES (3, NULL)", 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.version > 0 {
				pgtest.Since(t, c.version, c.name)
			}
			l := newLab(t, c.schema).backup()
			o := l.options(l.incident("DELETE FROM u"))
			o.Config = configured(t, "after: [SET LOCAL session_replication_role = replica, \""+c.slip+"\"]")
			report, err := Restore(context.Background(), o)
			if !errors.Is(err, ErrUnverified) || report == nil || len(l.content("u")) != 0 {
				t.Fatalf("%v, %v", err, l.content("u"))
			}
			if !slices.ContainsFunc(report.Checks, func(c Check) bool { return !c.OK && c.Name == "constraint one: public.u" }) {
				t.Errorf("%+v", report.Checks)
			}
		})
	}
}

// A conflict that the plan does not see looks like another session's each time. What
// helps where there is none is said, too.
func TestConflicts_ThatAreNoRace(t *testing.T) {
	whole := emails + "DELETE FROM u WHERE id > 2; CREATE FUNCTION mail_of(u) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1.email)'; CREATE UNIQUE INDEX ON u (mail_of(u))"
	always := emails + `CREATE TABLE log (id int PRIMARY KEY); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); RETURN NEW; END';
		CREATE TRIGGER note AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE u ENABLE ALWAYS TRIGGER note`
	for _, c := range []struct {
		name, schema, since string
		help, none          []string
	}{
		{"an index over the whole row", whole, "INSERT INTO u VALUES (30, 'bob')", []string{"restore: {tables: {public.u: {where: SQL}}}"}, []string{"triggers fired"}},
		{"a trigger", always, "INSERT INTO log VALUES (1)", []string{"note on public.u", "DISABLE TRIGGER"}, []string{"where: SQL"}},
	} {
		for _, batch := range []int64{0, 1} {
			l := newLab(t, c.schema).backup()
			o := l.options(l.incident("DELETE FROM u"))
			l.exec(c.since)
			o.Batch = batch
			_, err := Restore(context.Background(), o)
			if err == nil {
				t.Errorf("%s, batch %d: restored", c.name, batch)
			}
			for _, say := range append(c.help, "--batch N") {
				if !strings.Contains(fmt.Sprint(err), say) {
					t.Errorf("%s, batch %d: %v does not say %s", c.name, batch, err, say)
				}
			}
			for _, say := range c.none {
				if strings.Contains(fmt.Sprint(err), say) {
					t.Errorf("%s, batch %d: %v says %s", c.name, batch, err, say)
				}
			}
		}
	}
}
