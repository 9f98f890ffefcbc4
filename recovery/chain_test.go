package recovery

import (
	"context"
	"testing"
)

// scans is how often public.p was scanned so far, once all sessions have said so.
func (l *lab) scans() int64 {
	l.t.Helper()
	l.await("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'rowback restore' AND datname = current_database())")
	s := l.side(l.production)
	defer s.conn.Close(context.Background())
	n, err := s.number(context.Background(), "SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'p'")
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// Rows that refer to each other in a long chain, whose end cannot go, or whose
// beginning cannot come back: they are not looked for by a pass over all for each.
func TestChain_OfRowsThatReferToEachOther(t *testing.T) {
	const rows, most = 400, 10 * 400
	chain := func(from string) string {
		return "INSERT INTO p SELECT i, nullif(i - 1, 0) FROM generate_series(" + from + ", 400) i"
	}
	for name, do := range map[string]func(l *lab){
		"undo": func(l *lab) {
			report := l.restore(l.options(l.incident("DELETE FROM p")))
			l.exec("INSERT INTO p VALUES (1000, 400)")
			if undo := l.undo(UndoOptions{}, report.Entry); undo.Removed != 0 || l.undone(undo, "p").Kept != rows {
				t.Errorf("%+v", undo.Tables)
			}
		},
		"restore": func(l *lab) {
			l.exec("DELETE FROM p WHERE id > 1", chain("2"))
			id := l.incident("DELETE FROM p WHERE id > 1")
			l.exec("DELETE FROM p")
			if report := l.restore(l.options(id)); report.Restored != 0 || l.count(report, "p").ParentGone != rows-1 {
				t.Errorf("%+v", report.Tables)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, prev int REFERENCES p); CREATE INDEX ON p (prev)", chain("1")).backup()
			before := l.scans()
			do(l)
			if n := l.scans() - before; n > most {
				t.Errorf("%d rows were looked for by %d scans", rows, n)
			}
		})
	}
}
