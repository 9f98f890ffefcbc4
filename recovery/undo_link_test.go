package recovery

import (
	"strings"
	"testing"
)

// Links that an undo is not to cut: to parents that stay, and those that another restore
// gave back since.
func TestUndo_LinksThatStay(t *testing.T) {
	for name, c := range map[string]struct {
		first, between, last, after string // first and last are restored, first is undone
		p, c                        string // in the end
		kept                        string // of the link
	}{
		"another restore brought the parent": {
			first: "DELETE FROM p WHERE id < 3", last: "DELETE FROM p WHERE id = 2",
			p: "(2,,)(3,,)", c: "(1,)(2,2)(3,3)", kept: "gave it back, too"},
		"another restore gave the link alone": {
			first: "UPDATE c SET p = NULL WHERE id = 2", last: "UPDATE c SET p = NULL WHERE id = 2",
			p: "(1,,)(2,,)(3,,)", c: "(1,1)(2,2)(3,3)", kept: "gave it back, too"},
		"somebody has changed the parent": {
			first: "DELETE FROM p WHERE id < 3", after: "UPDATE p SET v = 1 WHERE id = 2",
			p: "(2,1,)(3,,)", c: "(1,)(2,2)(3,3)", kept: "its parent stays"},
		"somebody refers to the parent": {
			first: "DELETE FROM p WHERE id < 3", after: "INSERT INTO c VALUES (9, 2)",
			p: "(2,,)(3,,)", c: "(1,)(2,2)(3,3)(9,2)", kept: "its parent stays"},
		"somebody refers to the parent's child": {
			first: "DELETE FROM p WHERE id < 3; DELETE FROM p WHERE id = 3", between: "UPDATE p SET above = 2 WHERE id = 1", after: "INSERT INTO c VALUES (9, 1)",
			p: "(1,,2)(2,,)", c: "(1,1)(2,2)(3,)(9,1)", kept: "its parent stays"},
		"nobody": {
			first: "DELETE FROM p WHERE id < 3", last: "DELETE FROM p WHERE id = 3",
			p: "(3,,)", c: "(1,)(2,)(3,3)"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, v int, above int REFERENCES p DEFERRABLE INITIALLY DEFERRED); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL);
				INSERT INTO p SELECT generate_series(1, 3); INSERT INTO c SELECT i, i FROM generate_series(1, 3) i`)
			if c.between != "" {
				l.exec(c.between)
			}
			l.backup()
			first := l.restore(l.options(l.incident(c.first))).Entry
			if c.last != "" {
				l.restore(l.options(l.incident(c.last)))
			}
			if c.after != "" {
				l.exec(c.after)
			}
			for _, dry := range []bool{true, false} {
				undo := l.undo(UndoOptions{DryRun: dry}, first)
				var kept []string
				for _, k := range undo.Kept {
					if k.Table == "c" {
						kept = append(kept, k.Reason)
					}
				}
				if all := strings.Join(kept, "\n"); !strings.Contains(all, c.kept) || (c.kept == "") != undo.Complete() {
					t.Errorf("dry run %t: %q %+v", dry, all, undo.Kept)
				}
			}
			if p, rows := strings.Join(l.content("p"), ""), strings.Join(l.content("c"), ""); p != c.p || rows != c.c {
				t.Errorf("p %s, want %s; c %s, want %s", p, c.p, rows, c.c)
			}
		})
	}
}
