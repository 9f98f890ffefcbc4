package recovery

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// doubtful runs a statement in a transaction that ends so, and records these rows of it, without an outcome.
func (l *lab) doubtful(sql, end string, change func(*journal.Entry), table journal.Table, ids ...string) string {
	l.t.Helper()
	ctx := context.Background()
	s := l.side(l.production)
	if err := s.exec(ctx, "BEGIN; "+sql); err != nil {
		l.t.Fatal(err)
	}
	e, err := (&restore{production: s, o: Options{Source: &Source{}}}).entry(ctx, journal.Deletion)
	if err != nil {
		l.t.Fatal(err)
	}
	if change != nil {
		change(e)
	}
	var rows []journal.Row
	for _, id := range ids {
		rows = append(rows, journal.Row{Values: []*string{&id}})
	}
	table.Rows, table.KeysCaptured, table.Key = int64(len(ids)), true, []journal.Column{{Name: "id", Type: "integer"}}
	e.Rows, e.Tables = table.Rows, []journal.Table{table}
	id := l.record(e, rows...)
	if err := s.exec(ctx, "SELECT 1; "+end); err != nil {
		l.t.Fatal(err)
	}
	return id
}

// tellsRuns is why nobody but the proxy settles what is in doubt before PostgreSQL 15.
const tellsRuns = "a run of the server that can be told from another"

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
			if c.entry == nil && name != "rolled back" {
				pgtest.Since(t, 15, tellsRuns)
			}
			known := l.incident("DELETE FROM a")
			doubt := l.doubtful("DELETE FROM b", c.end, c.entry, journal.Table{Schema: "public", Name: "b", Via: journal.Direct}, strings.Fields("1 2 3 4 5 6 7 8 9")...)
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
