package recovery

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

const twoLinks = `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, y int DEFAULT 0 REFERENCES p ON DELETE SET DEFAULT);
	INSERT INTO p VALUES (0), (1), (2); INSERT INTO c VALUES (1, 1, 1), (2, 1, 1), (3, NULL, 2)`

// A link that one deletion cut, of a row that a later one removed: what the row
// comes from is of after the cut, an image or a backup, or of long before. Both restored at once come
// to the same as one after the other.
func TestRelink_RowsThatWereRemovedLater(t *testing.T) {
	for _, from := range []string{"images", "backup", "older backup"} {
		for _, batch := range []int64{0, 1} {
			t.Run(fmt.Sprint(from, " ", batch), func(t *testing.T) {
				l := newLab(t, twoLinks)
				if from != "backup" {
					l.backup()
				}
				if from == "older backup" {
					l.exec("UPDATE c SET x = 1 WHERE id = 3", "UPDATE c SET y = 2 WHERE id = 2")
				}
				before := l.state(l.production)
				ids := []string{l.incident("DELETE FROM p WHERE id = 1")}
				switch from {
				case "images":
					ids = append(ids, l.imaged(nil, "DELETE FROM c WHERE id <> 2"))
				case "backup":
					l.exec("INSERT INTO p VALUES (1)")
					l.backup()
					fallthrough
				default:
					ids = append(ids, l.incident("DELETE FROM c WHERE id <> 2"))
				}
				o := l.options(ids...)
				o.Batch = batch
				if report := l.restore(o); !report.Complete() {
					t.Errorf("%+v", report.Unrestored)
				}
				l.is(l.state(l.production), before)
			})
		}
	}
}

// A link that cannot be given to such a row does not keep the row away.
func TestRelink_RowsThatWereRemovedLaterWithoutTheirLinks(t *testing.T) {
	for name, c := range map[string]struct {
		keep          func(table, column string) bool
		since, reason string
	}{
		"parent gone":          {nil, "", "its parent is gone or stays out"},
		"not in the image":     {func(_, c string) bool { return c != "x" }, "INSERT INTO p VALUES (5)", "what the row is restored from has not its columns"},
		"not as production is": {nil, "INSERT INTO p VALUES (5); ALTER TABLE c ADD CONSTRAINT later CHECK (x < 5)", "it would break its CHECK constraint later"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, twoLinks).backup()
			l.exec("INSERT INTO p VALUES (5); INSERT INTO c VALUES (5, 5, 2)")
			cut := l.incident("DELETE FROM p WHERE id = 5")
			gone := l.imaged(c.keep, "DELETE FROM c WHERE id = 5")
			l.exec(c.since)
			report := l.restore(l.options(cut, gone))
			if n := l.count(report, "c").Restored; n != 1 || !strings.Contains(fmt.Sprint(report.Unrestored), "link not restored: "+c.reason) {
				t.Errorf("%d, %+v", n, report.Unrestored)
			}
			l.is(state{"public.c": {"5": l.state(l.production)["public.c"]["5"]}}, state{"public.c": {"5": {"id": "5", "x": null, "y": "2"}}})
		})
	}
}

// What a volatile default was cannot be told: it is not asked, by a dry run least of all.
func TestRelink_VolatileDefault(t *testing.T) {
	l := newLab(t, `CREATE SEQUENCE s; CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int DEFAULT nextval('s') REFERENCES p ON DELETE SET DEFAULT);
		INSERT INTO p SELECT generate_series(1, 20); INSERT INTO c SELECT i, 20 FROM generate_series(1, 5) i`).backup()
	id := l.incident("DELETE FROM p WHERE id = 20")
	l.exec("INSERT INTO p VALUES (20)", "UPDATE c SET x = 20 WHERE id = 5")
	called := func() int64 {
		n, err := l.side(l.production).number(context.Background(), "SELECT last_value FROM s")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := called()
	for _, dry := range []bool{true, false} {
		o := l.options(id)
		o.DryRun = dry
		report := l.restore(o)
		if c := l.count(report, "c"); c.Relinked != 0 || len(report.Unrestored) != 4 || !strings.Contains(report.Unrestored[0].Reason, "its default is another each time") {
			t.Errorf("%+v, %+v", c, report.Unrestored)
		}
	}
	if n := called(); n != before {
		t.Errorf("the sequence went from %d to %d", before, n)
	}
}
