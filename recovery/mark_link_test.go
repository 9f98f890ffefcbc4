package recovery

import (
	"fmt"
	"testing"
)

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

// The mark itself is a link, which was cut after the soft delete or before it.
func TestMark_ThatIsALinkWhichWasCut(t *testing.T) {
	for name, c := range map[string]struct {
		soft, cut string
		first     bool // the soft delete
		touched   bool // since: the mark stays
	}{
		"the mark's parent went":              {"UPDATE c SET state = 9 WHERE id < 5", "DELETE FROM s WHERE id = 9", true, false},
		"the parent went, then it was marked": {"UPDATE c SET state = 9 WHERE id < 5", "DELETE FROM s WHERE id = 1", false, false},
		"the row has changed since":           {"UPDATE c SET state = 9 WHERE id < 5", "DELETE FROM s WHERE id = 9", true, true},
	} {
		for _, batch := range []int64{0, 100} {
			t.Run(fmt.Sprint(name, " ", batch), func(t *testing.T) {
				l := newLab(t, `CREATE TABLE s (id int PRIMARY KEY); INSERT INTO s VALUES (1), (2), (9); CREATE TABLE c (id int PRIMARY KEY, v int, state int DEFAULT 1 REFERENCES s ON DELETE SET NULL); INSERT INTO c SELECT generate_series(1, 9), 0`).backup()
				want := l.state(l.production)
				var ids []string
				if c.first {
					ids = append(ids, l.softly(c.soft, "c", "state"))
				}
				ids = append(ids, l.incident(c.cut))
				if !c.first {
					ids = append(ids, l.softly(c.soft, "c", "state"))
				}
				if c.touched {
					l.exec("UPDATE c SET v = 7 WHERE id = 1")
					want["public.c"]["1"] = map[string]string{"id": "1", "v": "7", "state": "9"}
				}
				after := l.state(l.production)
				o := l.options(ids...)
				o.Batch = batch
				report := l.restore(o)
				l.is(l.state(l.production), want)
				if report.Complete() == c.touched {
					t.Errorf("%+v %v", report.Tables, reasons(report))
				}
				again := l.restore(o)
				l.is(l.state(l.production), want)
				if again.Complete() == c.touched {
					t.Errorf("again: %+v %v", again.Tables, reasons(again))
				}
				if batch == 0 {
					l.undo(UndoOptions{}, report.Entry)
					l.is(l.state(l.production), after)
				}
			})
		}
	}
}
