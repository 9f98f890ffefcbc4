package recovery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// A link that was given another parent since, and cut again, looks as the deletion left it:
// the journal knows better.
func TestRelink_LinksThatALaterDeletionCutAgain(t *testing.T) {
	const moved = "link not restored: it led to another parent since, until a later deletion cut it again"
	for name, c := range map[string]struct {
		since    []string // deletions, and what was between
		restored []int    // of them
		is       string   // c 1
		left     []string
	}{
		"of another parent":            {[]string{"DELETE FROM p WHERE id = 1", "UPDATE c SET x = 2 WHERE id = 1", "DELETE FROM p WHERE id = 2"}, []int{0}, "(1,,0,a)", []string{moved}},
		"that one":                     {[]string{"DELETE FROM p WHERE id = 1", "UPDATE c SET x = 2 WHERE id = 1", "DELETE FROM p WHERE id = 2"}, []int{2}, "(1,2,0,a)", nil},
		"both":                         {[]string{"DELETE FROM p WHERE id = 1", "UPDATE c SET x = 2 WHERE id = 1", "DELETE FROM p WHERE id = 2"}, []int{0, 2}, "(1,2,0,a)", nil},
		"of the same parent":           {[]string{"DELETE FROM p WHERE id = 1", "INSERT INTO p VALUES (1); UPDATE c SET x = 1 WHERE id = 1", "DELETE FROM p WHERE id = 1"}, []int{0}, "(1,1,0,a)", nil},
		"of the same one at last":      {[]string{"DELETE FROM p WHERE id = 1", "UPDATE c SET x = 2 WHERE id = 1", "DELETE FROM p WHERE id = 2", "INSERT INTO p VALUES (1); UPDATE c SET x = 1 WHERE id = 1", "DELETE FROM p WHERE id = 1"}, []int{0}, "(1,1,0,a)", nil},
		"of another row":               {[]string{"DELETE FROM p WHERE id = 1", "UPDATE c SET x = 2 WHERE id = 2", "DELETE FROM p WHERE id = 2"}, []int{0}, "(1,1,0,a)", nil},
		"another link of the row":      {[]string{"DELETE FROM p WHERE id = 1", "UPDATE c SET y = 2 WHERE id = 1", "DELETE FROM p WHERE id = 2"}, []int{0}, "(1,1,0,a)", nil},
		"and then the row was removed": {[]string{"DELETE FROM p WHERE id = 1", "UPDATE c SET x = 2 WHERE id = 1", "DELETE FROM p WHERE id = 2", "", "DELETE FROM c WHERE id = 1"}, []int{0, 4}, "(1,,0,a)", []string{moved}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, y int DEFAULT 0 REFERENCES p ON DELETE SET DEFAULT, v text);
				INSERT INTO p VALUES (0), (1), (2), (3); INSERT INTO c VALUES (1, 1, 0, 'a'), (2, 3, 0, 'b')`).backup()
			var ids []string
			for i, sql := range c.since {
				if id := ""; i%2 == 1 {
					l.exec(sql)
				} else if id = l.incident(sql); slices.Contains(c.restored, i) {
					ids = append(ids, id)
				}
			}
			report := l.restore(l.options(ids...))
			var left []string
			for _, u := range report.Unrestored {
				left = append(left, u.Reason)
			}
			if is := l.content("c")[0]; is != c.is || !slices.Equal(left, c.left) {
				t.Errorf("%s %q", is, left)
			}
		})
	}
}

// That a deletion found a link elsewhere is true however it ended; one of another database,
// or server, says nothing.
func TestRelink_LaterCutsOfOtherEntries(t *testing.T) {
	for name, c := range map[string]struct {
		entry    journal.Entry
		relinked int64
	}{
		"in doubt":         {journal.Entry{Outcome: journal.InDoubt}, 0},
		"blocked":          {journal.Entry{Outcome: journal.Blocked}, 1},
		"another database": {journal.Entry{Outcome: journal.Committed, Database: "other"}, 1},
		"another server":   {journal.Entry{Outcome: journal.Committed, Server: journal.Server{SystemID: "1"}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1)`).backup()
			id := l.incident("DELETE FROM p WHERE id = 1")
			if c.entry.Database == "" {
				c.entry.Database = l.name
			}
			row, parent := "1", "2"
			c.entry.Tables = []journal.Table{{Schema: "public", Name: "c", Rows: 1, Via: journal.SetNull, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}, Old: []journal.Column{{Name: "x", Type: "integer"}}}}
			l.record(&c.entry, journal.Row{Values: []*string{&row, &parent}})
			if n := l.count(l.restore(l.options(id)), "c").Relinked; n != c.relinked {
				t.Errorf("%d links were given back", n)
			}
		})
	}
}

// torn is a journal in which the keys of an entry are damaged.
type torn struct {
	journal.Journal
	id string
}

func (j torn) Rows(ctx context.Context, id string) iter.Seq2[journal.Row, error] {
	if id != j.id {
		return j.Journal.Rows(ctx, id)
	}
	return func(yield func(journal.Row, error) bool) {
		yield(journal.Row{}, fmt.Errorf("%w: entry %s lacks block 0 of its keys", journal.ErrDamaged, id))
	}
}

// A later deletion that nobody asks for keeps nothing away, though it cannot be read.
func TestRelink_ALaterEntryIsDamaged(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 2)`).backup()
	o := l.options(l.incident("DELETE FROM p WHERE id = 1"))
	later := l.incident("DELETE FROM p WHERE id = 2")
	o.Journal = torn{l.journal, later}
	report := l.restore(o)
	if l.count(report, "c").Relinked != 1 || !slices.ContainsFunc(report.Warnings, func(w string) bool { return strings.Contains(w, later) }) {
		t.Errorf("%+v, warnings %q", report.Tables, report.Warnings)
	}
}
