package recovery

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// A deploy since the backup made a table whose rows the cascade took, too.
func TestNewTable_ItsRowsAreMissing(t *testing.T) {
	l := newLab(t, "CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o SELECT generate_series(1, 9)").backup()
	l.exec("CREATE TABLE n (id int PRIMARY KEY, o int REFERENCES o ON DELETE CASCADE, link int REFERENCES o ON DELETE SET NULL); INSERT INTO n SELECT i, i, 10 - i FROM generate_series(1, 9) i")
	id := l.incident("DELETE FROM o WHERE id < 4")
	l.both(func(who string, prepare func(Options) Options) {
		for _, batch := range []int64{0, 1} {
			o := prepare(l.options(id))
			o.Batch = batch
			for _, o.DryRun = range []bool{true, false} {
				report := l.restore(o)
				if c, n := l.count(report, "o"), l.count(report, "n"); report.Complete() || c.Restored != 3 || n.Requested != 3 || n.Missing != 3 || n.Relinked != 3 {
					t.Errorf("%s, batch %d, dry %t: %+v, %+v", who, batch, o.DryRun, c, n)
				}
				if why := reasons(report)[`n {"id":2}`]; !strings.Contains(why, "made since the backup") || !strings.Contains(why, "{public.n: {from: SCHEMA.NAME}}") {
					t.Errorf("%s, batch %d, dry %t: %s", who, batch, o.DryRun, why)
				}
			}
			if rows := l.content("o"); len(rows) != 9 {
				t.Errorf("%s, batch %d: %v", who, batch, rows)
			}
			if rows := l.content("n"); strings.Join(rows, " ") != "(4,4,6) (5,5,5) (6,6,4) (7,7,3) (8,8,2) (9,9,1)" {
				t.Errorf("%s, batch %d: %v", who, batch, rows)
			}
			l.exec("DELETE FROM o WHERE id < 4")
		}
	})
}

// Where the recovery database may be another one altogether, nothing is.
func TestNewTable_OrTheWrongDatabase(t *testing.T) {
	for name, c := range map[string]struct {
		made, deletes string
	}{
		"nothing asked for is there": {"", "DELETE FROM n WHERE id < 4"},
		"little is there":            {"CREATE TABLE a (id int); CREATE TABLE b (id int)", "DELETE FROM o WHERE id < 4"},
	} {
		l := newLab(t, "CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o SELECT generate_series(1, 9)").backup()
		l.exec("CREATE TABLE n (id int PRIMARY KEY, o int REFERENCES o ON DELETE CASCADE); INSERT INTO n SELECT i, i FROM generate_series(1, 9) i;" + c.made)
		o := l.options(l.incident(c.deletes))
		report, err := Restore(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), "is it a copy of the right database?") || !strings.Contains(err.Error(), "restore: {tables: {public.n: {skip: true}}}") {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
		if name == "little is there" {
			o.Config = &Config{Tables: []TableConfig{{Name: "public.n", Skip: true}}}
			if report := l.restore(o); report.Restored != 3 {
				t.Errorf("%s: %s", name, fmt.Sprint(report))
			}
		}
	}
}
