package recovery

import "testing"

// Rows that were soft-deleted and cut off their parent, in either order, come back as they
// were before both; and an undo makes them what they were after both.
func TestMark_RowsWhoseLinksWereCut(t *testing.T) {
	for _, first := range []string{"soft", "cut"} {
		for _, batch := range []int64{0, 100} {
			l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, state int DEFAULT 0);
				INSERT INTO p SELECT generate_series(1, 9); INSERT INTO c SELECT i, i FROM generate_series(1, 9) i`).backup()
			before := l.state(l.production)
			var ids []string
			for _, what := range []string{first, map[string]string{"soft": "cut", "cut": "soft"}[first]} {
				if what == "soft" {
					ids = append(ids, l.softly("UPDATE c SET state = 9 WHERE id < 5", "c", "state"))
				} else {
					ids = append(ids, l.incident("DELETE FROM p WHERE id < 4"))
				}
			}
			after := l.state(l.production)
			o := l.options(ids...)
			o.Batch = batch
			report := l.restore(o)
			if c := l.count(report, "c"); !report.Complete() || c.Relinked != 3 || c.Unmarked != 4 {
				t.Errorf("%s first, %d: %+v %v", first, batch, c, reasons(report))
			}
			l.is(l.state(l.production), before)
			if batch > 0 { // the marks stay where another transaction wrote the row since
				continue
			}
			if undo := l.undo(UndoOptions{}, report.Entry); !undo.Complete() {
				t.Errorf("%s first: %+v", first, undo.Kept)
			}
			l.is(l.state(l.production), after)
		}
	}
}
