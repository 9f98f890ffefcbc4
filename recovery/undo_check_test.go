package recovery

import "testing"

// Asking whether rows keep a CHECK leaves no savepoint open: what is inserted
// after it bears the transaction's own id, by which an undo knows it.
func TestUndo_TablesWithChecks(t *testing.T) {
	l := newLab(t, `CREATE TABLE c (id int PRIMARY KEY, n int CHECK (n > 0), CONSTRAINT whole CHECK (c IS NOT NULL)); INSERT INTO c SELECT i, i FROM generate_series(1, 9) i`).backup()
	restored := l.restore(l.options(l.incident("DELETE FROM c WHERE id < 5")))
	if undo := l.undo(UndoOptions{}, restored.Entry); !undo.Complete() || undo.Removed != 4 {
		t.Errorf("%+v", undo)
	}
}
