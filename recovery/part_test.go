package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// Rows that a transaction changed beside those that it removed are there.
func TestRestore_RowsThatWereChangedBesideThoseRemoved(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (id int PRIMARY KEY); INSERT INTO p VALUES (1); INSERT INTO q VALUES (1)").backup()
	l.exec("DELETE FROM p")
	report := l.restore(l.options(l.recorded("", "1", journal.Table{Schema: "public", Name: "q", Rows: 1, Via: journal.Update, Why: "changed"})))
	if report.Restored != 1 || !report.Complete() || !strings.Contains(strings.Join(report.Warnings, "\n"), "1 row of public.q") {
		t.Errorf("%+v", report)
	}
}

// Rows of the same table whose keys are not known keep the others away, unless that is wanted.
func TestRestore_PartOfAnEntry(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2)").backup()
	l.exec("DELETE FROM p")
	o := l.options(l.recorded("", "1", journal.Table{Schema: "public", Name: "p", Rows: 1, Via: journal.Cascade, Why: "by a trigger"}))
	l.refused(o, Unfit, "the keys of 1 row of public.p were not captured (by a trigger)", "--partial")
	o.Partial = true
	if report := l.restore(o); report.Restored != 1 || report.Complete() || len(report.Unrestored) != 1 {
		t.Errorf("%+v", report)
	}
}
