package recovery

import (
	"slices"
	"strings"
	"testing"
)

// A link or a mark that several of the restores set back, one after the other, is the last one's.
func TestUndo_OfRestoresOfOneLinkOrMark(t *testing.T) {
	const cut = "DELETE FROM p WHERE id = 1"
	for name, c := range map[string]struct {
		deletions []string // of which an UPDATE is a soft delete
		between   string
		is        string // c, in the end
		unlinked  int64
		marked    int64
	}{
		"a link":                  {[]string{cut, cut, cut}, "", "(1,,0)(2,2,0)", 1, 0},
		"a link moved in between": {[]string{cut, "DELETE FROM p WHERE id = 2"}, "UPDATE c SET x = 2 WHERE id = 1", "(1,,0)(2,,0)", 2, 0},
		"a mark":                  {[]string{"UPDATE c SET state = 9 WHERE id = 1", "UPDATE c SET state = 9 WHERE id = 1"}, "", "(1,1,9)(2,2,0)", 0, 1},
		"other marks":             {[]string{"UPDATE c SET state = 8", "UPDATE c SET state = 9 WHERE id = 1"}, "", "(1,1,9)(2,2,8)", 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, state int DEFAULT 0); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 2)`).backup()
			var ids []string
			for i, sql := range c.deletions {
				if i == len(c.deletions)-1 && c.between != "" {
					l.exec(c.between)
				}
				if strings.HasPrefix(sql, "UPDATE") {
					ids = append(ids, l.restore(l.options(l.softly(sql, "c", "state"))).Entry)
				} else {
					ids = append(ids, l.restore(l.options(l.incident(sql))).Entry)
				}
			}
			slices.Reverse(ids) // in whatever order they are named
			for _, dry := range []bool{true, false} {
				undo := l.undo(UndoOptions{DryRun: dry}, ids...)
				if n := l.undone(undo, "c"); !undo.Complete() || n.Unlinked != c.unlinked || n.Marked != c.marked {
					t.Errorf("dry run %t: %+v, %+v", dry, n, undo.Kept)
				}
			}
			if is := strings.Join(l.content("c"), ""); is != c.is {
				t.Error(is)
			}
			if undo := l.undo(UndoOptions{}, ids...); !undo.Complete() || undo.Entry != "" {
				t.Errorf("once more: %+v", undo)
			}
		})
	}
}

// A row whose link or mark one restore set back, and that another brought back later, goes
// as a whole with both.
func TestUndo_OfARowAndWhatWasSetBackOfItBefore(t *testing.T) {
	for name, c := range map[string]struct {
		first, since     string
		unlinked, marked int64
		is               string // c, in the end
	}{
		"a mark":             {"UPDATE c SET state = 9", "", 0, 1, "(2,2,9)"},
		"a link":             {"DELETE FROM p", "", 1, 0, "(2,,0)"},
		"a link moved since": {"DELETE FROM p", "UPDATE c SET x = 2 WHERE id = 1", 1, 0, "(2,,0)"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, state int DEFAULT 0); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 2)`).backup()
			var first string
			if strings.HasPrefix(c.first, "UPDATE") {
				first = l.softly(c.first, "c", "state")
			} else {
				first = l.incident(c.first)
			}
			ids := []string{l.restore(l.options(first)).Entry}
			if c.since != "" {
				l.exec(c.since)
			}
			ids = append(ids, l.restore(l.options(l.imaged(nil, "DELETE FROM c WHERE id = 1"))).Entry)
			for _, dry := range []bool{true, false} {
				undo := l.undo(UndoOptions{DryRun: dry}, ids...)
				if n := l.undone(undo, "c"); !undo.Complete() || n.Removed != 1 || n.Unlinked != c.unlinked || n.Marked != c.marked {
					t.Errorf("dry run %t: %+v, %+v", dry, n, undo.Kept)
				}
			}
			if is := strings.Join(l.content("c"), ""); is != c.is {
				t.Error(is)
			}
		})
	}
}
