package recovery

import (
	"context"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

func TestRefuse_KeysNotCaptured(t *testing.T) {
	l := newLab(t, twoTables).backup()
	id := l.record(&journal.Entry{Database: l.name, Outcome: journal.Committed, Rows: 9, Tables: []journal.Table{{Schema: "public", Name: "p", Rows: 9, Via: journal.Function, Why: "a function removed them"}}})
	l.refused(l.options(id), Unfit, "keys of 9 rows of public.p were not captured (a function removed them)", id+":", "rowback diff public.p --out FILE", "--partial")
	lost := l.record(&journal.Entry{Database: l.name, Outcome: journal.Committed, Rows: 9, Tables: []journal.Table{{Schema: "public", Name: "lost", Rows: 9, Via: journal.Drop, Why: noKey}}})
	l.refused(l.options(lost), Unfit, "neither production nor the recovery database has the table")
	l.on(l.recovery, "CREATE TABLE lost (v int)")
	l.refused(l.options(lost), Unfit, "pg_dump -t 'public.lost' RECOVERY | psql PRODUCTION", "--partial")
	// By a filter the others are restored, and these listed.
	l.incident("DELETE FROM p WHERE id = 1")
	l.exec("CREATE TABLE keyless (v int)")
	l.on(l.recovery, "CREATE TABLE keyless (v int)")
	bare := l.record(&journal.Entry{Database: l.name, Outcome: journal.Committed, Rows: 2, Tables: []journal.Table{{Schema: "public", Name: "keyless", Rows: 2, Via: journal.Direct, Why: "no key"}}})
	source, err := FromFilter(context.Background(), l.journal, journal.Filter{Database: l.name})
	if err != nil {
		t.Fatal(err)
	}
	report := l.restore(Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: source})
	if report.Restored != 3 || report.Complete() || len(report.Unrestored) != 3 || !strings.Contains(report.Unrestored[0].Reason, bare+": ") || !strings.Contains(report.Unrestored[0].Reason, "by hand") ||
		!strings.Contains(report.Unrestored[2].Reason, "rowback diff public.p") {
		t.Errorf("%+v", report)
	}
	// One run of diff finds the rows of all tables.
	several := l.record(&journal.Entry{Database: l.name, Outcome: journal.Committed, Rows: 5, Tables: []journal.Table{
		{Schema: "public", Name: "p", Rows: 2, Via: journal.Function}, {Schema: "public", Name: "c", Rows: 2, Via: journal.Function}, {Schema: "public", Name: "g", Rows: 1, Via: journal.SoftDelete}, {Schema: "public", Name: "p", Rows: 1, Via: journal.Cascade}}})
	l.refused(l.options(several), Unfit, "2 rows of public.c were not captured", "`rowback diff public.p public.c public.g --out FILE`")
}
