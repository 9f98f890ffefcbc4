package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// Without a recovery database what is said is what one would mend, and first what it
// would not.
func TestRefuse_Alone(t *testing.T) {
	l := newLab(t, twoTables, "CREATE TABLE keyless (v int)")
	key := "1"
	keyed := journal.Table{Schema: "public", Name: "p", Rows: 1, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}}
	unkeyed := journal.Table{Schema: "public", Name: "keyless", Rows: 500, Via: journal.Function, Why: "a DO block"}
	dropped := journal.Table{Schema: "public", Name: "gone", Rows: 500, Via: journal.Drop, Why: noKey}
	soft, unwhole := keyed, keyed
	soft.Via, unwhole.WhyNoRows = journal.SoftDelete, "no UPDATE privilege"
	for _, c := range []struct {
		name   string
		tables []journal.Table
		proxy  string
		kind   RefusalKind
		want   string
		not    string
	}{
		{"keys", []journal.Table{keyed}, "", Usage, "not the rows themselves (see capture: rows in the rules)", ""},
		{"no keys", []journal.Table{unkeyed}, "", Unfit, "the keys of 500 rows of public.keyless were not captured (a DO block); the table has no key", "--recovery"},
		{"dropped, no keys", []journal.Table{dropped}, "", Unfit, "pg_dump -t 'public.gone' RECOVERY | psql PRODUCTION", "rowback diff"},
		{"both", []journal.Table{keyed, unkeyed}, "", Usage, "public.keyless were not captured", ""},
		{"both, the other", []journal.Table{keyed, unkeyed}, "", Usage, "name it with --recovery", ""},
		{"soft delete", []journal.Table{soft}, "", Usage, "of a soft delete, what the row had before is not kept", "capture: rows"},
		{"protect", []journal.Table{keyed}, inDatabase, Usage, "triggers of rowback protect", "capture: rows"},
		{"no image", []journal.Table{unwhole}, "p1", Usage, "images of public.p not captured: no UPDATE privilege", "capture: rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rows []journal.Row
			if c.tables[0].KeysCaptured {
				rows = append(rows, journal.Row{Values: []*string{&key}})
			}
			id := l.record(&journal.Entry{Database: l.name, Outcome: journal.Committed, Rows: c.tables[0].Rows, Proxy: c.proxy, Tables: c.tables}, rows...)
			l.refused(l.alone(id), c.kind, c.want)
			if _, err := Restore(t.Context(), l.alone(id)); err == nil || c.not != "" && strings.Contains(err.Error(), c.not) {
				t.Errorf("%v", err)
			}
		})
	}
}

// An undo keeps no images; those of the deletions that its restores brought back from do.
func TestRefuse_AloneAnUndo(t *testing.T) {
	l := newLab(t, twoTables)
	first := l.imaged(nil, "DELETE FROM p WHERE id = 1")
	undo := l.undo(UndoOptions{}, l.restore(l.alone(first)).Entry).Entry
	l.refused(l.alone(undo), Usage, "(an undo keeps none; restore what had removed them first: "+first+")")
	if report := l.restore(l.alone(first)); !report.Complete() || report.Restored == 0 {
		t.Errorf("%+v", report)
	}
}
