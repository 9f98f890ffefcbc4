package recovery

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// Of a deletion whose outcome the journal does not know a restore by filter asks the server;
// where that does not know either, its rows are listed: they may be gone.
func TestFilter_DeletionsInDoubt(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		entry        func(*journal.Entry)
		end          string
		back, listed int
		warning      string
	}{
		"committed":         {nil, "COMMIT", 9, 0, ""},
		"rolled back":       {nil, "ROLLBACK", 9, 0, ""},
		"under way":         {nil, "", 9, 0, "is still under way"},
		"of another run":    {func(e *journal.Entry) { e.Server.Started = time.Now().Add(-time.Hour) }, "COMMIT", 0, 1, ""},
		"of another server": {func(e *journal.Entry) { e.Server.SystemID = "1" }, "COMMIT", 0, 0, "it is not known yet whether"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 9); INSERT INTO b SELECT generate_series(1, 9)`).backup()
			known := l.incident("DELETE FROM a")
			s := l.side(l.production)
			if err := s.exec(ctx, "BEGIN; DELETE FROM b"); err != nil {
				t.Fatal(err)
			}
			e, err := (&restore{production: s, o: Options{Source: &Source{}}}).entry(ctx, journal.Deletion)
			if err != nil {
				t.Fatal(err)
			}
			if c.entry != nil {
				c.entry(e)
			}
			var rows []journal.Row
			for _, id := range strings.Fields("1 2 3 4 5 6 7 8 9") {
				rows = append(rows, journal.Row{Values: []*string{&id}})
			}
			e.Rows, e.Tables = 9, []journal.Table{{Schema: "public", Name: "b", Rows: 9, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}}}
			doubt := l.record(e, rows...)
			if err := s.exec(ctx, "SELECT 1; "+c.end); err != nil {
				t.Fatal(err)
			}
			source, err := FromFilter(ctx, l.journal, journal.Filter{Since: time.Now().Add(-time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			report := l.restore(Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: source})
			if n := len(l.content("b")); n != c.back || len(report.Unrestored) != c.listed || len(l.content("a")) != 9 {
				t.Errorf("%d rows, %+v", n, report)
			}
			if c.listed > 0 && len(report.Unrestored) == c.listed && !strings.Contains(report.Unrestored[0].Reason, "9 rows left out "+doubt) {
				t.Errorf("%+v", report.Unrestored)
			}
			if said := strings.Join(report.Warnings, ""); !strings.Contains(said, c.warning) || c.warning == "" && said != "" {
				t.Errorf("%q", said)
			}
			if e, err := l.journal.Entry(ctx, report.Entry); err != nil || e.Restores[len(e.Restores)-1] != known || (len(e.Restores) == 2) != (name == "committed") {
				t.Errorf("%+v %v", e, err)
			}
		})
	}
}
