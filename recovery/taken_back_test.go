package recovery

import (
	"fmt"
	"strings"
	"testing"
)

// A restore that an undo took back is as if neither had been, row by row.
func TestRestore_UndosCancelRestores(t *testing.T) {
	const (
		table = "CREATE TABLE p (id int PRIMARY KEY, name text, deleted_at timestamptz, up int REFERENCES p ON DELETE SET NULL); INSERT INTO p SELECT i, 'n' || i, NULL, CASE WHEN i = 5 THEN 9 END FROM generate_series(1, 9) i"
		few   = "UPDATE p SET deleted_at = now() WHERE id < 6"
		more  = "UPDATE p SET deleted_at = now() WHERE id > 6"
	)
	for name, c := range map[string]struct {
		do   func(l *lab, soft func(string) string, back func(...string) string) []string // what is restored in the end
		want string                                                                       // rows unmarked and restored
		left string                                                                       // the reason of the one that is not
	}{
		"several at once": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first, second := soft(few), soft(more)
			l.undo(UndoOptions{}, back(first), back(second))
			return []string{first}
		}, "5 0", ""},
		"of an undo": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first := soft(few)
			undo := l.undo(UndoOptions{}, back(first)).Entry
			l.undo(UndoOptions{}, back(undo))
			return []string{first}
		}, "5 0", ""},
		"of another one, and so of none": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			l.undo(UndoOptions{}, back(soft("UPDATE p SET deleted_at = now() WHERE id = 5")))
			return []string{soft(few)}
		}, "4 0", " had soft-deleted the row before; restore that one, too, to have it back"},
		"but for the rows that it kept": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first := soft(few)
			second := soft("UPDATE p SET deleted_at = now() WHERE id = 5")
			restored := back(first, second)
			l.exec("UPDATE p SET name = 'n5' WHERE id = 5")
			l.undo(UndoOptions{}, restored)
			return []string{first, soft("UPDATE p SET deleted_at = now()")}
		}, "9 0", ""},
		"not the application's changes, where it cut a link again": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first := soft(few)
			l.exec("UPDATE p SET name = 'touched' WHERE id = 5")
			l.undo(UndoOptions{}, back(first, l.incident("DELETE FROM p WHERE id = 9")))
			return []string{first}
		}, "4 0", "in production with other values in name, deleted_at, up; left as it is"},
		"of a later removal, which stands": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first := l.incident("DELETE FROM p WHERE id < 6")
			back(first)
			l.undo(UndoOptions{}, back(l.incident("DELETE FROM p WHERE id = 3")))
			return []string{first}
		}, "0 0", "; name that one to bring it back"},
		"and was restored itself, before a removal that stands": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first := l.incident("DELETE FROM p WHERE id < 6")
			back(l.undo(UndoOptions{}, back(first)).Entry)
			l.incident("DELETE FROM p WHERE id = 3")
			return []string{first}
		}, "0 0", "; name that one to bring it back"},
		"before the row was made anew and removed": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first := l.incident("DELETE FROM p WHERE id < 6")
			l.undo(UndoOptions{}, back(first))
			l.exec("INSERT INTO p VALUES (3, 'anew')")
			l.incident("DELETE FROM p WHERE id = 3")
			return []string{first}
		}, "0 5", ""},
		"of a soft delete and a removal": {func(l *lab, soft func(string) string, back func(...string) string) []string {
			first, removal := soft(few), l.incident("DELETE FROM p WHERE id = 3")
			l.undo(UndoOptions{}, back(first, removal))
			return []string{removal}
		}, "0 1", " had soft-deleted the row before it was removed; it comes back without the mark, as the recovery database has it"},
	} {
		for _, batch := range []int64{0, 2} {
			t.Run(fmt.Sprint(name, batch), func(t *testing.T) {
				l := newLab(t, table).backup()
				ids := c.do(l, func(sql string) string { return l.softly(sql, "p", "deleted_at") }, func(ids ...string) string { return l.restore(l.options(ids...)).Entry })
				o := l.options(ids...)
				o.Batch = batch
				report := l.restore(o)
				p := l.count(report, "p")
				if got := fmt.Sprint(p.Unmarked, p.Restored); got != c.want || (c.left == "") != report.Complete() {
					t.Errorf("%s, want %s; %v", got, c.want, reasons(report))
				}
				for _, u := range report.Unrestored {
					if !strings.HasSuffix(u.Reason, c.left) || len(report.Unrestored) > 1 {
						t.Errorf("%v, want %q", reasons(report), c.left)
					}
				}
			})
		}
	}
}
