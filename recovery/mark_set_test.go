package recovery

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// What the same UPDATE set beside the mark goes back with it, where the recovery database
// tells what it was; an undo makes it what it was after.
func TestMark_WithOtherColumns(t *testing.T) {
	for _, batch := range []int64{0, 2} {
		l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, name text, email text UNIQUE, status text DEFAULT 'new', deleted_at timestamptz);
			INSERT INTO p SELECT i, 'n' || i, 'm' || i FROM generate_series(1, 9) i`).backup()
		l.exec("UPDATE p SET name = 'newer' WHERE id IN (2, 8)")
		before := l.state(l.production)
		bare := l.softly("UPDATE p SET deleted_at = now() WHERE id > 7", "p", "deleted_at") // set nothing else
		id := l.softly("UPDATE p SET deleted_at = now(), email = NULL, status = 'gone' WHERE id < 6", "p", "deleted_at", "+", "email", "status")
		l.exec("UPDATE p SET name = 'touched' WHERE id = 3", "UPDATE p SET email = 'm4' WHERE id = 6")
		after := l.state(l.production)
		o := l.options(bare, id)
		o.Batch = batch
		dry := o
		dry.DryRun = true
		var report *Report
		for _, o := range []Options{dry, o} {
			report = l.restore(o)
			for id, why := range map[int]string{
				2: "soft delete set back, but not what its UPDATE set in email, status: name is not as in the recovery database, so that the others may have changed before, too",
				3: "in production with other values in name, email, status, deleted_at",
				4: "soft delete not set back: another row holds its value in p_email_key",
			} {
				if said := reasons(report)[fmt.Sprintf(`p {"id":%d}`, id)]; !strings.HasPrefix(said, why) {
					t.Errorf("%d: %s", id, said)
				}
			}
			if c := l.count(report, "p"); c.Unmarked != 5 || len(report.Unrestored) != 3 {
				t.Errorf("%+v %v", c, reasons(report))
			}
		}
		want := state{"public.p": {}}
		for id, row := range before["public.p"] {
			want["public.p"][id] = row
			if id == "3" || id == "4" || id == "6" {
				want["public.p"][id] = after["public.p"][id]
			}
		}
		want["public.p"]["2"] = after["public.p"]["2"]
		want["public.p"]["2"]["deleted_at"] = null
		l.is(l.state(l.production), want)
		if batch == 0 {
			undo := l.undo(UndoOptions{}, report.Entry)
			want["public.p"]["2"]["deleted_at"] = after["public.p"]["1"]["deleted_at"]
			for _, id := range []string{"1", "5", "8", "9"} {
				want["public.p"][id] = after["public.p"][id]
			}
			l.is(l.state(l.production), want)
			if e, err := l.journal.Entry(t.Context(), undo.Entry); err != nil || fmt.Sprint(e.Tables[0].Soft, e.Tables[0].Set) != "[deleted_at] [email status]" {
				t.Errorf("%+v, %v", e, err)
			}
		}
	}
}

// Where a trigger wrote into the row nothing tells that from a change of before: the column
// is named, and the trigger.
func TestMark_WithOtherColumnsUnderATrigger(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, name text DEFAULT 'n', updated_at timestamptz, deleted_at timestamptz); INSERT INTO p VALUES (1);
		CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END';
		CREATE TRIGGER stamped BEFORE INSERT OR UPDATE ON p FOR EACH ROW EXECUTE FUNCTION stamp(); CREATE TRIGGER unused BEFORE UPDATE ON p FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE p DISABLE TRIGGER unused`).backup()
	said := reasons(l.restore(l.options(l.softly("UPDATE p SET deleted_at = now(), name = 'gone'", "p", "deleted_at", "+", "name"))))
	want := "soft delete set back, but not what its UPDATE set in name: updated_at is not as in the recovery database, so that the others may have changed before, too, or a trigger of that UPDATE set this: stamped"
	if why := said[`p {"id":1}`]; why != want {
		t.Errorf("%q, want %q", why, want)
	}
}

// A link that was set with the mark, and that another deletion had cut, comes back from that one.
func TestMark_WithALinkThatWasCut(t *testing.T) {
	l := newLab(t, `CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o VALUES (1), (2);
		CREATE TABLE p (id int PRIMARY KEY, o int REFERENCES o ON DELETE SET NULL, deleted_at timestamptz); INSERT INTO p SELECT i, 1 FROM generate_series(1, 3) i`).backup()
	before := l.state(l.production)
	cut := l.incident("DELETE FROM o WHERE id = 1")
	soft := l.softly("UPDATE p SET deleted_at = now(), o = NULL", "p", "deleted_at", "+", "o")
	if report := l.restore(l.options(cut, soft)); !report.Complete() {
		t.Errorf("%v", reasons(report))
	}
	l.is(l.state(l.production), before)
}

// Several UPDATEs of one transaction: of a row that two of them set other columns of nothing
// tells which of them it was.
func TestMark_WithOtherColumnsOfSeveralUpdates(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, a text DEFAULT 'a', b text DEFAULT 'b', deleted_at timestamptz); INSERT INTO p SELECT generate_series(1, 4)").backup()
	one := l.softly("UPDATE p SET a = 'x', deleted_at = now() WHERE id <= 2; UPDATE p SET b = 'y', deleted_at = now() WHERE id > 1", "p", "deleted_at", "+", "b")
	e, err := l.journal.Entry(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	more := *e
	more.Tables = slices.Clone(e.Tables)
	more.Tables[0].Set = []string{"a"}
	first, second := "1", "2"
	report := l.restore(l.options(one, l.record(&more, journal.Row{Values: []*string{&first}}, journal.Row{Values: []*string{&second}})))
	said := reasons(report)
	if c := l.count(report, "p"); c.Unmarked != 4 || len(said) != 1 || !strings.HasPrefix(said[`p {"id":2}`], "soft delete set back, but not what its UPDATE set in ") {
		t.Errorf("%+v %v", c, said)
	}
	now := l.state(l.production)["public.p"]
	for id, want := range map[string]string{"1": "a b", "2": "x y", "3": "a b", "4": "a b"} {
		if is := now[id]["a"] + " " + now[id]["b"]; is != want || now[id]["deleted_at"] != null {
			t.Errorf("%s: %v", id, now[id])
		}
	}
}

// Of a row that several soft deletes marked, the last one does not have it said that all is
// back: what an earlier one set may have been changed between.
func TestMark_WithOtherColumnsOfEarlierSoftDeletes(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, a text DEFAULT 'a', b text DEFAULT 'b', deleted_at timestamptz); INSERT INTO p SELECT generate_series(1, 4)").backup()
	first := l.softly("UPDATE p SET a = 'x', deleted_at = now() WHERE id <= 2", "p", "deleted_at", "+", "a")
	l.exec("UPDATE p SET b = 'newer' WHERE id = 3")
	last := l.softly("UPDATE p SET deleted_at = now() WHERE id > 1", "p", "deleted_at")
	report := l.restore(l.options(first, last))
	said := reasons(report)
	want := "soft delete set back, but not what its UPDATE set in a: several UPDATEs set other columns each"
	if c := l.count(report, "p"); c.Unmarked != 4 || len(said) != 1 || said[`p {"id":2}`] != want {
		t.Errorf("%+v %v", c, said)
	}
}

// A row that was removed later comes back from its image, and so with what its soft delete had
// set beside the mark; that is said.
func TestMark_WithOtherColumnsThenRemoved(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, a text DEFAULT 'a', b text DEFAULT 'b', deleted_at timestamptz); INSERT INTO p SELECT generate_series(1, 4)").backup()
	one := l.softly("UPDATE p SET deleted_at = now(), a = 'x' WHERE id <= 2", "p", "deleted_at", "+", "a")
	two := l.softly("UPDATE p SET deleted_at = now() WHERE id = 3", "p", "deleted_at")
	report := l.restore(l.options(one, two, l.imaged(nil, "DELETE FROM p WHERE id IN (2, 3)")))
	want := "soft delete set back, but not what its UPDATE set in a: the row comes back as it was when it was removed later"
	if c, said := l.count(report, "p"), reasons(report); c.Unmarked != 1 || c.Restored != 2 || len(said) != 1 || said[`p {"id":2}`] != want {
		t.Errorf("%+v %v", c, said)
	}
	for id, row := range l.state(l.production)["public.p"] {
		if row["deleted_at"] != null {
			t.Errorf("%s: %v", id, row)
		}
	}
}
