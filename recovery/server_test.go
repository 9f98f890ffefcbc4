package recovery

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// recorded puts a deletion of one key of p on record, of a server of that system identifier.
func (l *lab) recorded(system, key string, more ...journal.Table) string {
	l.t.Helper()
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed, Database: l.name, User: "app", Rows: 1,
		Server: journal.Server{SystemID: system, Started: time.Now()}, XID: "900",
		Tables: append([]journal.Table{{Schema: "public", Name: "p", Rows: 1, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}}}, more...)}
	k := journal.NewKeys(l.t.TempDir())
	defer k.Close()
	if err := k.Add(journal.Row{Values: []*string{&key}}); err != nil {
		l.t.Fatal(err)
	}
	if err := l.journal.Append(context.Background(), e, k); err != nil {
		l.t.Fatal(err)
	}
	return e.ID
}

// What was deleted on another server, from a database of the same name, is not taken for
// what was deleted here, unless it is asked for by its ID.
func TestServer_DeletionsOfAnother(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 9)").backup()
	here, err := l.side(l.production).system(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l.exec("DELETE FROM p WHERE id < 4")
	other := l.recorded("7300000000000000001", "3")
	filtered := func() Options {
		source, err := FromFilter(ctx, l.journal, journal.Filter{Since: time.Now().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: source}
	}
	l.refused(filtered(), Usage, "that was on this server", other)
	l.recorded(here, "1")
	l.recorded("", "2") // nothing is known of it
	report := l.restore(filtered())
	rows := l.state(l.production)["public.p"]
	if report.Restored != 2 || !report.Complete() || rows["3"] != nil || !strings.Contains(strings.Join(report.Warnings, "\n"), "left out "+other) {
		t.Errorf("%+v", report)
	}
	if e, err := l.journal.Entry(ctx, report.Entry); err != nil || len(e.Restores) != 2 {
		t.Errorf("%+v, %v", e, err)
	}
	if report := l.restore(l.options(other)); report.Restored != 1 || !strings.Contains(strings.Join(report.Warnings, "\n"), other+": the deletion was on another server") {
		t.Errorf("%+v", report)
	}
}
