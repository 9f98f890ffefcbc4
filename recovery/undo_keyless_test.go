package recovery

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// What a restore brought back of a table without a key goes again, by the
// transaction that wrote it; the same rows of others stay. Then it can be restored anew.
func TestUndo_TableWithoutAKey(t *testing.T) {
	l := newLab(t, `CREATE TABLE q (u int UNIQUE, v text); CREATE TABLE c (id int PRIMARY KEY, q int REFERENCES q (u));
		CREATE TABLE k (a int, v text) PARTITION BY LIST (a); CREATE TABLE k1 PARTITION OF k FOR VALUES IN (1); CREATE TABLE k2 PARTITION OF k DEFAULT;
		INSERT INTO q SELECT i, 'v' FROM generate_series(1, 5) i; INSERT INTO k VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, 'y'), (2, 'z')`)
	before := l.content("k")
	id := l.imaged(nil, "DELETE FROM k WHERE v <> 'z'", "DELETE FROM q WHERE u < 4")
	first := l.restore(l.alone(id))
	l.exec("INSERT INTO k VALUES (1, 'x')", "INSERT INTO c VALUES (1, 2)", "UPDATE q SET v = 'w' WHERE u = 3")
	undo := l.undo(UndoOptions{}, first.Entry)
	if got := l.content("k"); !slices.Equal(got, []string{"(1,x)", "(2,z)"}) || l.undone(undo, "k").Removed != 4 {
		t.Errorf("%v %+v", got, undo)
	}
	// One is referred to, one was changed.
	if got := l.content("q"); !slices.Equal(got, []string{"(2,v)", "(3,w)", "(4,v)", "(5,v)"}) || undo.Complete() {
		t.Errorf("%v %+v", got, undo)
	}
	var said []string
	for _, k := range undo.Kept {
		said = append(said, k.Table+": "+k.Reason)
	}
	if all := strings.Join(said, "\n"); !strings.Contains(all, "q: 1 row: rows that came or stay refer to it") || !strings.Contains(all, "q: 1 row: gone, or changed since") {
		t.Error(all)
	}
	l.exec("DELETE FROM k WHERE v = 'x'")
	again := l.restore(l.alone(id))
	if got := l.content("k"); !slices.Equal(got, before) || l.count(again, "k").Restored != 4 {
		t.Errorf("%v %+v", got, again)
	}
}

// Where triggers wrote to the table in the restore's transaction, its rows cannot be told from theirs.
func TestUndo_TableWithoutAKeyAndATriggersRows(t *testing.T) {
	l := newLab(t, "CREATE TABLE k (v text); INSERT INTO k VALUES ('x')")
	id := l.imaged(nil, "DELETE FROM k")
	l.exec(`CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.v = ''x'' THEN INSERT INTO k VALUES (''y''); END IF; RETURN NULL; END';
		CREATE TRIGGER f AFTER INSERT ON k FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE k ENABLE ALWAYS TRIGGER f`)
	report, err := Restore(context.Background(), l.alone(id))
	if err != nil {
		t.Fatal(err)
	}
	l.exec("DELETE FROM k WHERE v = 'x'") // as many rows bear its id as it brought back, but another one
	before := l.content("k")
	_, err = Undo(context.Background(), UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{report.Entry}})
	if err == nil || !strings.Contains(err.Error(), "cannot be told") {
		t.Error(err)
	}
	if got := l.content("k"); !slices.Equal(got, before) {
		t.Errorf("%v", got)
	}
}
