package recovery

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// Names are of one folder, that of the roots being 0.
const folders = `CREATE TABLE c (id int PRIMARY KEY, up int REFERENCES c ON DELETE SET NULL, name text NOT NULL); CREATE UNIQUE INDEX names ON c (coalesce(up, 0), name);
	INSERT INTO c VALUES (1, NULL, 'projects'), (2, 1, 'docs'), (3, 2, 'old'), (4, NULL, 'private'), (5, 4, 'docs')`

// A row that was removed after its link was cut is kept out by what is true of it as it
// comes back, not by what was true while it had no link.
func TestRelink_RowsAreJudgedWithTheirLinks(t *testing.T) {
	const (
		conflict = "another live row holds its value in names"
		unlinked = "link not restored: its parent is gone or stays out"
	)
	projects := []string{"DELETE FROM c WHERE id = 1", "DELETE FROM c WHERE id IN (2, 3)"}
	for name, c := range map[string]struct {
		schema    string
		deletions []string
		since     string
		left      []string // reasons
		is        string   // c
	}{
		"a live row is like the cut one":   {folders, projects, "INSERT INTO c VALUES (9, NULL, 'docs')", nil, "(1,,projects)(2,1,docs)(3,2,old)(4,,private)(5,4,docs)(9,,docs)"},
		"rivals while cut":                 {folders, append(projects, "DELETE FROM c WHERE id = 4", "DELETE FROM c WHERE id = 5"), "", nil, "(1,,projects)(2,1,docs)(3,2,old)(4,,private)(5,4,docs)"},
		"its parent stays out":             {folders, projects, "INSERT INTO c VALUES (8, NULL, 'projects')", []string{conflict + ": (id) = (8)", unlinked}, "(2,,docs)(3,2,old)(4,,private)(5,4,docs)(8,,projects)"},
		"nor can it be without its parent": {folders, projects, "INSERT INTO c VALUES (8, NULL, 'projects'), (9, NULL, 'docs')", []string{conflict + ": (id) = (8)", conflict + ": (id) = (9)", "its parent public.c (id) = (2) stays out, too"}, "(4,,private)(5,4,docs)(8,,projects)(9,,docs)"},
		"a live row is like the whole one": {folders, []string{"DELETE FROM c WHERE id = 2", "DELETE FROM c WHERE id = 3"}, "INSERT INTO c VALUES (2, 1, 'docs'), (9, 2, 'old')", []string{"link not restored: another row holds its value in names"}, "(1,,projects)(2,1,docs)(3,,old)(4,,private)(5,4,docs)(9,2,old)"},
		"the default's parent is gone": {`CREATE TABLE s (id int PRIMARY KEY); INSERT INTO s VALUES (0), (1), (2); CREATE TABLE c (id int PRIMARY KEY, x int DEFAULT 0 REFERENCES s ON DELETE SET DEFAULT); INSERT INTO c VALUES (1, 1), (2, 2)`,
			[]string{"DELETE FROM s WHERE id = 1", "DELETE FROM c WHERE id = 1"}, "DELETE FROM s WHERE id = 0", nil, "(1,1)(2,2)"},
	} {
		for _, how := range []string{"keys", "images", "batches"} {
			t.Run(name+", "+how, func(t *testing.T) {
				l := newLab(t, c.schema).backup()
				var ids []string
				for i, sql := range c.deletions {
					if how == "images" && i%2 == 1 { // which cuts no links
						ids = append(ids, l.imaged(nil, sql))
					} else {
						ids = append(ids, l.incident(sql))
					}
				}
				l.exec(c.since)
				o := l.options(ids...)
				if how == "batches" {
					o.Batch = 100
				}
				for _, time := range []string{"once", "twice"} { // what is back is found to be there
					report := l.restore(o)
					var left []string
					for _, u := range report.Unrestored {
						left = append(left, u.Reason)
					}
					slices.Sort(left)
					if is := strings.Join(l.content("c"), ""); !slices.Equal(left, c.left) || is != c.is || time == "twice" && report.Restored > 0 {
						t.Errorf("%s: %s %q %+v", time, is, left, report.Tables)
					}
				}
			})
		}
	}
}

// An image of before a link was cut is compared as the cut left the row.
func TestRelink_AnImageOfBeforeTheCut(t *testing.T) {
	for name, c := range map[string]struct{ between, after, is string }{
		"the row is there":             {"", "", "(1,1,v)(2,2,v)"},
		"it is gone again":             {"", "DELETE FROM c WHERE id = 1", "(1,1,v)(2,2,v)"},
		"it had been linked otherwise": {"UPDATE c SET p = 2 WHERE id = 1", "", "(1,2,v)(2,2,v)"},
	} {
		for _, backup := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, backup %t", name, backup), func(t *testing.T) {
				l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL, v text); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1, 'v'), (2, 2, 'v')`)
				if backup {
					l.backup()
				}
				removed := l.imaged(nil, "DELETE FROM c WHERE id = 1")
				l.restore(l.options(removed))
				if c.between != "" {
					l.exec(c.between)
				}
				cut := l.incident("DELETE FROM p")
				l.exec("INSERT INTO p VALUES (1), (2)")
				if c.after != "" {
					l.exec(c.after)
				}
				if report := l.restore(l.options(removed, cut)); report.Complete() != backup { // images alone do not have p
					t.Errorf("%+v", report.Unrestored)
				}
				if is := strings.Join(l.content("c"), ""); is != c.is {
					t.Error(is)
				}
			})
		}
	}
}

// Along a chain of rows each loses its link as the one before it stays out, and may be in
// conflict then; in the end the rest stays out with them.
func TestRelink_AChainThatStaysOut(t *testing.T) {
	const rows = 300
	l := newLab(t, fmt.Sprintf(`CREATE TABLE c (id int PRIMARY KEY, prev int REFERENCES c ON DELETE SET NULL, list int); CREATE INDEX ON c (prev);
		INSERT INTO c SELECT i, nullif(i - 1, 0), 1 FROM generate_series(1, %d) i; CREATE UNIQUE INDEX head ON c (list) WHERE prev IS NULL`, rows)).backup()
	cut := &journal.Entry{Kind: journal.Deletion, Outcome: journal.Committed, Database: l.name, Tables: []journal.Table{{Schema: "public", Name: "c", Rows: rows - 1, Via: journal.SetNull, KeysCaptured: true,
		Key: []journal.Column{{Name: "id", Type: "integer"}}, Old: []journal.Column{{Name: "prev", Type: "integer"}}}}}
	var links []journal.Row
	for i := 2; i <= rows; i++ {
		row, prev := strconv.Itoa(i), strconv.Itoa(i-1)
		links = append(links, journal.Row{Values: []*string{&row, &prev}})
	}
	ids := []string{l.record(cut, links...), l.incident(fmt.Sprintf("DO $$BEGIN FOR i IN 1..%d LOOP DELETE FROM c WHERE id = i; END LOOP; END$$", rows))}
	l.exec("INSERT INTO c VALUES (100000, NULL, 1)")
	report := l.restore(l.options(ids...))
	kept := map[string]int{}
	for _, u := range report.Unrestored {
		why, _, _ := strings.Cut(u.Reason, " (")
		kept[why]++
	}
	n := l.count(report, "c")
	if conflicts := kept["another live row holds its value in head:"]; n.Restored != 0 || conflicts+kept["its parent public.c"] != rows || conflicts > rows/10 {
		t.Errorf("%+v %v", n, kept)
	}
}
