package recovery

import (
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// A key that was cut off or rounded by the backup's narrower type would name
// another row, one that was deleted on purpose.
func TestRestore_KeysTooLongForTheBackupNameNoOtherRow(t *testing.T) {
	for name, c := range map[string]struct{ was, is, old, newer string }{
		"varchar":   {"varchar(3)", "varchar(9)", "'abc'", "'abcdef'"},
		"char":      {"char(3)", "char(9)", "'abc'", "'abcdef'"},
		"numeric":   {"numeric(5,0)", "numeric(9,2)", "2", "1.5"},
		"timestamp": {"timestamp(0)", "timestamp", "'2024-01-01 00:00:01'", "'2024-01-01 00:00:00.9'"},
		"bit":       {"bit(3)", "bit(5) USING id::bit(5)", "B'101'", "B'10101'"},
		"real":      {"real", "float8 USING id::text::float8", "0.1", "0.100000000001"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "CREATE TABLE x (id "+c.was+" PRIMARY KEY, v int)",
				"INSERT INTO x VALUES ("+c.old+", 1)").backup()
			l.exec("ALTER TABLE x ALTER id TYPE "+c.is, "DELETE FROM x", "INSERT INTO x VALUES ("+c.newer+", 2)")
			id := l.incident("DELETE FROM x")
			r := l.restore(l.options(id))
			if n := l.count(r, "x"); n.Missing != 1 || n.Requested != 1 {
				t.Errorf("%+v", n)
			}
			l.is(l.state(l.production), state{"public.x": {}})
		})
	}
}

// So would a key that the backup's collation takes for equal to another.
func TestRestore_KeysThatTheBackupTellsNotApart(t *testing.T) {
	for name, c := range map[string][2]string{
		"collation": {"CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE x (name text COLLATE folded PRIMARY KEY, v int)", `ALTER TABLE x ALTER name TYPE text COLLATE "C"`},
		"type":      {"CREATE EXTENSION citext; CREATE TABLE x (name citext PRIMARY KEY, v int)", "ALTER TABLE x ALTER name TYPE text"},
	} {
		for _, live := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", the other is there"}[live], func(t *testing.T) {
				l := newLab(t, c[0], "INSERT INTO x VALUES ('bob', 1), ('Ann', 2)").backup()
				l.exec(c[1], "INSERT INTO x VALUES ('Bob', 3)")
				if !live {
					l.exec("DELETE FROM x WHERE v = 1")
				}
				before := l.state(l.production)
				r := l.restore(l.options(l.incident("DELETE FROM x WHERE v > 1")))
				if n := l.count(r, "x"); n.Missing != 1 || n.Restored != 1 {
					t.Errorf("%+v", n)
				}
				delete(before["public.x"], "Bob")
				l.is(l.state(l.production), before)
			})
		}
	}
}

func TestRestore_EnumLabelThatTheBackupLacks(t *testing.T) {
	l := newLab(t, "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE x (m mood PRIMARY KEY); INSERT INTO x VALUES ('a')").backup()
	l.exec("ALTER TYPE mood ADD VALUE 'b'", "INSERT INTO x VALUES ('b')")
	r := l.restore(l.options(l.incident("DELETE FROM x")))
	if n := l.count(r, "x"); n.Restored != 1 || n.Missing != 1 {
		t.Errorf("%+v", n)
	}
}

// Quiet triggers check no foreign key, also not one that only a partition has.
func TestVerify_ForeignKeyOfAPartition(t *testing.T) {
	l := newLab(t, `CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
		CREATE TABLE x (id int PRIMARY KEY, parent int) PARTITION BY RANGE (id); CREATE TABLE x1 PARTITION OF x FOR VALUES FROM (0) TO (9);
		ALTER TABLE x1 ADD FOREIGN KEY (parent) REFERENCES parent; INSERT INTO x VALUES (1, 1), (2, 2)`).backup()
	id := l.incident("DELETE FROM x")
	l.exec("DELETE FROM parent WHERE id = 2")
	report := l.restore(l.options(id))
	if c := l.count(report, "x"); c.Restored != 1 || c.ParentGone != 1 || len(report.Unrestored) != 1 {
		t.Errorf("%+v", report)
	}
	if !slices.ContainsFunc(report.Checks, func(c Check) bool { return c.OK && strings.Contains(c.Name, "x1_parent_fkey") }) {
		t.Errorf("%+v", report.Checks)
	}
	l.exec("INSERT INTO parent VALUES (2)")
	if c := l.count(l.restore(l.options(id)), "x"); c.Restored != 1 || c.AlreadyPresent != 1 {
		t.Errorf("%+v", c)
	}
}

// A link that cannot be mended is listed; it does not keep the rows away.
func TestRestore_LinksThatCannotBeRestoredAreListed(t *testing.T) {
	l := newLab(t, `CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
		CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE SET NULL); INSERT INTO child VALUES (1, 1), (2, 2)`).backup()
	id := l.incident("DELETE FROM parent WHERE id = 1")
	l.exec("ALTER TABLE child DROP CONSTRAINT child_parent_fkey")
	r := l.restore(l.options(id))
	if r.Restored != 1 || r.Complete() || len(r.Unrestored) != 1 || !strings.Contains(r.Unrestored[0].Reason, "links of 1 row") {
		t.Errorf("%+v", r)
	}
	s := journal.Table{Schema: "public", Name: "child", Via: journal.SetNull, Rows: 3, Why: "no key"}
	o := l.options(id)
	o.Source.Tables = append(o.Source.Tables, s)
	if r = l.restore(o); len(r.Unrestored) != 2 || !strings.Contains(r.Unrestored[1].Reason, "no key") {
		t.Errorf("%+v", r)
	}
}

func TestRestore_WhereTransactionsAreReadOnlyByDefault(t *testing.T) {
	l := newLab(t, "CREATE TABLE x (id int PRIMARY KEY); INSERT INTO x VALUES (1)").backup()
	id := l.incident("DELETE FROM x")
	l.exec("ALTER DATABASE " + l.name + " SET default_transaction_read_only = on")
	if r := l.restore(l.options(id)); r.Restored != 1 {
		t.Errorf("%+v", r)
	}
}

// Another object's number means another one in another database.
func TestRestore_KeysThatAreNumbersOfObjects(t *testing.T) {
	l := newLab(t, "CREATE TABLE x (c regclass PRIMARY KEY); INSERT INTO x VALUES ('x')").backup()
	l.refused(l.options(l.incident("DELETE FROM x")), Unfit, "its key column c is of type regclass", "--from-diff")
}
