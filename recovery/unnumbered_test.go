package recovery

import (
	"context"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// Of a deletion that nobody could count no row is on record: it is refused by its ID,
// with the way out, and listed by a filter.
func TestUnnumbered(t *testing.T) {
	for _, c := range []struct {
		name  string
		entry journal.Entry
		want  string
	}{
		{"dropped database", journal.Entry{Outcome: journal.Committed, Dropped: "rental"}, "database rental was dropped as a whole"},
		{"perhaps dropped", journal.Entry{Outcome: journal.InDoubt, Dropped: "rental"}, "how that ended is not known"},
		{"uncounted", journal.Entry{Outcome: journal.Committed, Alert: "CALL may have removed rows that nobody could count: it commits by itself"}, "`rowback diff --out FILE`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, twoTables).backup()
			c.entry.Database = l.name
			id := l.record(&c.entry)
			l.refused(l.options(id), Unfit, id+": ", c.want)
			l.refused(l.alone(id), Unfit, id+": ", c.want)
			other := l.incident("DELETE FROM p WHERE id = 1")
			l.refused(l.options(id, other), Unfit, id+": ", c.want)
			o := l.options(id, other)
			o.Partial = true
			report := l.restore(o)
			if report.Complete() || report.Restored == 0 || len(report.Unrestored) != 1 || !strings.Contains(report.Unrestored[0].Reason, c.want) {
				t.Errorf("%+v", report)
			}
			var text strings.Builder
			report.WriteText(&text)
			if !strings.Contains(text.String(), "Not restored (1):\n  - "+id+": ") {
				t.Errorf("%s", &text)
			}
			if c.entry.Outcome != journal.Committed {
				return
			}
			source, err := FromFilter(context.Background(), l.journal, journal.Filter{Database: l.name})
			if err != nil {
				t.Fatal(err)
			}
			if o.Source = source; l.restore(o).Complete() {
				t.Error("it is not listed")
			}
		})
	}
}
