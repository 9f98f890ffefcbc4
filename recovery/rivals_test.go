package recovery

import (
	"fmt"
	"strings"
	"testing"
)

// Of rows of one restore that exclude each other those of the latest deletion come
// back; the others are listed, and so is what hangs on them.
func TestRivals(t *testing.T) {
	for _, c := range []struct {
		name, schema string
		run          func(*lab) []string // deletes, and returns the entries
		want         string              // what is in u afterwards
		conflicts    int64
	}{
		{"of two deletions", "CREATE TABLE u (id int PRIMARY KEY, email text UNIQUE); INSERT INTO u VALUES (1, 'a'), (3, 'c')", func(l *lab) []string {
			first := l.imaged(nil, "DELETE FROM u WHERE id = 1")
			l.exec("INSERT INTO u VALUES (0, 'a')")
			return []string{first, l.imaged(nil, "DELETE FROM u")}
		}, "[(0,a) (3,c)]", 1},
		{"by a new index", "CREATE TABLE u (id int PRIMARY KEY, email text); INSERT INTO u VALUES (1, 'a'), (2, 'a'), (3, 'c'), (4, NULL), (5, NULL)", func(l *lab) []string {
			id := l.incident("DELETE FROM u")
			l.exec("CREATE UNIQUE INDEX ON u (email)")
			return []string{id}
		}, "[(2,a) (3,c) (4,) (5,)]", 1},
		{"by a deferrable constraint", "CREATE TABLE u (id int PRIMARY KEY, email text); INSERT INTO u VALUES (1, 'a'), (2, 'a'), (3, 'c')", func(l *lab) []string {
			id := l.incident("DELETE FROM u")
			l.exec("ALTER TABLE u ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED")
			return []string{id}
		}, "[(2,a) (3,c)]", 1},
		// The second overlaps the third, which stays; so the first may stay, too.
		{"by an exclusion constraint", "CREATE TABLE u (id int PRIMARY KEY, r int4range); INSERT INTO u VALUES (1, '[1,3)'), (2, '[2,5)'), (3, '[4,6)'), (4, '[9,10)')", func(l *lab) []string {
			id := l.incident("DELETE FROM u")
			l.exec("ALTER TABLE u ADD EXCLUDE USING gist (r WITH &&)")
			return []string{id}
		}, `[(1,"[1,3)") (3,"[4,6)") (4,"[9,10)")]`, 1},
		{"by an index of a partition", "CREATE TABLE u (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE u1 PARTITION OF u FOR VALUES FROM (0) TO (10); CREATE TABLE u2 PARTITION OF u DEFAULT; INSERT INTO u VALUES (1, 'a'), (2, 'a'), (11, 'a'), (12, 'a')", func(l *lab) []string {
			id := l.incident("DELETE FROM u")
			l.exec("CREATE UNIQUE INDEX ON u1 (v)")
			return []string{id}
		}, "[(11,a) (12,a) (2,a)]", 1},
		// One whose parent has gone is nobody's rival.
		{"whose parent has gone", "CREATE TABLE g (id int PRIMARY KEY); INSERT INTO g VALUES (1), (2); CREATE TABLE u (id int PRIMARY KEY, email text, g int REFERENCES g); INSERT INTO u VALUES (1, 'a', 1), (2, 'a', 2)", func(l *lab) []string {
			id := l.incident("DELETE FROM u")
			l.exec("CREATE UNIQUE INDEX ON u (email)", "DELETE FROM g WHERE id = 2")
			return []string{id}
		}, "[(1,a,1)]", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.schema).backup()
			o := l.options(c.run(l)...)
			report := l.restore(o)
			if got := fmt.Sprint(l.content("u")); got != c.want || l.count(report, "u").Conflicts != c.conflicts {
				t.Errorf("%s, want %s; %+v %v", got, c.want, report.Tables, reasons(report))
			}
			if again := l.restore(o); again.Restored != 0 {
				t.Errorf("again: %+v", again.Tables)
			}
		})
	}
}

func TestRivals_WhatHangsOnThemStaysOut(t *testing.T) {
	for _, batch := range []int64{0, 100} {
		l := newLab(t, `CREATE TABLE u (id int PRIMARY KEY, email text); INSERT INTO u SELECT i, 'n' || i / 2 FROM generate_series(1, 1000) i;
			CREATE TABLE c (id int PRIMARY KEY, u int REFERENCES u ON DELETE CASCADE); INSERT INTO c SELECT i, i FROM generate_series(1, 1000) i`).backup()
		o := l.options(l.incident("DELETE FROM u"))
		l.exec("CREATE UNIQUE INDEX ON u (email)")
		o.Batch = batch
		report := l.restore(o)
		if u, c := l.count(report, "u"), l.count(report, "c"); u.Restored != 501 || u.Conflicts != 499 || c.Restored != 501 || c.ParentGone != 499 {
			t.Errorf("batch %d: %+v", batch, report.Tables)
		}
		if why := reasons(report)[`u {"id":2}`]; batch == 0 && !strings.Contains(why, "another row of this restore holds its value in u_email_idx") {
			t.Error(why)
		}
		l.exec("DO $$ BEGIN IF EXISTS (SELECT FROM c LEFT JOIN u ON u.id = c.u WHERE u.id IS NULL) THEN RAISE 'dangling'; END IF; END $$")
	}
}
