package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

func (l *lab) undo(o UndoOptions, ids ...string) *UndoReport {
	l.t.Helper()
	if o.Production == "" {
		o.Production = l.production
	}
	o.Journal, o.IDs = l.journal, ids
	report, err := Undo(context.Background(), o)
	if err != nil {
		l.t.Fatalf("undo: %v", err)
	}
	return report
}

func (l *lab) undone(r *UndoReport, table string) UndoCount {
	l.t.Helper()
	for _, c := range r.Tables {
		if c.Table == table {
			return c
		}
	}
	l.t.Fatalf("no %s in %+v", table, r.Tables)
	return UndoCount{}
}

const undoRoles = "GRANT DELETE ON ALL TABLES IN SCHEMA public TO ROLE"

// Every shape that a restore brings back, an undo takes away again, and what
// it took away can be restored.
func TestUndo_EveryShape(t *testing.T) {
	l := newLab(t, append(zoo, `CREATE TABLE cut (id int PRIMARY KEY, a int REFERENCES uq ON DELETE SET NULL, b int DEFAULT 1 REFERENCES uq ON DELETE SET DEFAULT); INSERT INTO cut SELECT i, i, i FROM generate_series(1, 9) i`)...).backup()
	role := l.role(append(append(allGrants, undoRoles), append(grantsOn(`"Ünï Sch.ema"`), `GRANT DELETE ON ALL TABLES IN SCHEMA "Ünï Sch.ema" TO ROLE`)...)...)
	before := l.state(l.production)
	for _, who := range []string{"superuser", "ordinary role"} {
		id := l.incident(zooIncident)
		after := l.state(l.production)
		report := l.restore(l.options(id))
		var o UndoOptions
		if who != "superuser" {
			o.Production = l.asRole(l.production, role)
		}
		dry := o
		dry.DryRun = true
		plan := l.undo(dry, report.Entry)
		l.is(l.state(l.production), before)
		undo := l.undo(o, report.Entry)
		l.is(l.state(l.production), after)
		if !undo.Complete() || undo.Removed != report.Restored || plan.Removed != undo.Removed || l.undone(undo, "cut").Unlinked != 12 {
			t.Errorf("%s: %+v", who, undo)
		}
		// A second time it says that there is nothing left to do.
		if again := l.undo(o, report.Entry); !again.Complete() || again.Removed+again.others() != 0 || !strings.Contains(strings.Join(again.Warnings, ""), report.Entry+" was undone already, on record as "+undo.Entry) {
			t.Errorf("%s, again: %+v", who, again)
		}
		e, err := l.journal.Entry(context.Background(), undo.Entry)
		if err != nil || e.Kind != journal.Deletion || e.Outcome != journal.Committed || e.Rows != undo.Removed || e.Restores[0] != report.Entry {
			t.Errorf("%s: %+v, %v", who, e, err)
		}
		if again := l.undo(o, report.Entry); again.Removed != 0 || again.Entry != "" || l.undone(again, "mti").Gone == 0 {
			t.Errorf("%s again: %+v", who, again)
		}
		l.restore(l.options(undo.Entry))
		l.is(l.state(l.production), before)
	}
}

func TestUndo_KeepsWhatChangedAndWhatIsReferredTo(t *testing.T) {
	l := newLab(t, twoTables, `CREATE TABLE note (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL, about text); INSERT INTO note SELECT i, i FROM generate_series(1, 9) i`).backup()
	role := l.role(append(allGrants, undoRoles)...)
	config := configured(t, "polymorphic: [{table: note, type: about, id: id, targets: {p: p}}]")
	for _, who := range []string{"superuser", "ordinary role"} {
		report := l.restore(l.options(l.incident("DELETE FROM p")))
		l.exec("UPDATE p SET v = 50 WHERE id = 2", // changed, and so is its child kept by nothing
			"UPDATE p SET v = v WHERE id = 3",                                       // merely touched: kept in doubt
			"INSERT INTO c VALUES (40, 4)",                                          // a child that appeared: 4 stays
			"INSERT INTO g VALUES (50, 5)",                                          // 5 of c, and so of p, stays
			"UPDATE note SET p = 1 WHERE id = 6",                                    // re-pointed
			"DELETE FROM p WHERE id = 7; INSERT INTO p VALUES (7, 'p7', 7)",         // another row of the same values
			"UPDATE note SET about = 'p' WHERE id = 9; SELECT id FROM p FOR UPDATE") // 9 stays by what the configuration says
		before := l.state(l.production)
		o := UndoOptions{Config: config}
		if who != "superuser" {
			o.Production = l.asRole(l.production, role)
		}
		undo := l.undo(o, report.Entry)
		if c := l.undone(undo, "p"); c.Requested != 9 || c.Removed != 2 || c.Changed != 3 || c.Kept != 4 {
			t.Errorf("%s: p %+v", who, c)
		}
		if c := l.undone(undo, "c"); c.Removed != 7 || c.Kept != 1 || c.Gone != 1 {
			t.Errorf("%s: c %+v", who, c)
		}
		if c := l.undone(undo, "note"); c.Unlinked != 1 { // to 8: the others' parents stay
			t.Errorf("%s: note %+v", who, c)
		}
		if want := "public.c, 5 rows: by foreign key c_p_id_fkey to public.p"; !slices.Contains(undo.Bereft, want) {
			t.Errorf("%s: %q, want %q among them", who, undo.Bereft, want)
		}
		kept := fmt.Sprint(undo.Kept)
		if undo.Complete() || !strings.Contains(kept, "rows that came or stay refer to it") || !strings.Contains(kept, "its link was changed") || strings.Count(kept, "its parent stays") != 6 {
			t.Errorf("%s: %s", who, kept)
		}
		now := l.state(l.production)
		for id, row := range before["public.p"] {
			gone := id == "6" || id == "8"
			if there := now["public.p"][id] != nil; there == gone || there && now["public.p"][id]["v"] != row["v"] {
				t.Errorf("%s: p %s: %v", who, id, now["public.p"][id])
			}
		}
		l.exec("DELETE FROM note; DELETE FROM p; INSERT INTO p SELECT i, 'p' || i, i FROM generate_series(1, 9) i; INSERT INTO c SELECT i, i FROM generate_series(1, 9) i; INSERT INTO g SELECT i, i FROM generate_series(1, 9) i; INSERT INTO note SELECT i, i FROM generate_series(1, 9) i")
	}
}

func TestUndo_Refuses(t *testing.T) {
	l := newLab(t, twoTables).backup()
	id := l.incident("DELETE FROM p WHERE id = 1")
	report := l.restore(l.options(id))
	role := l.role(allGrants...)
	elsewhere := newLab(t, twoTables)
	for _, c := range []struct {
		name, production, id, want string
		kind                       RefusalKind
	}{
		{"a deletion", l.production, id, "is a deletion, not a restore", Usage},
		{"nothing", l.production, "nonsense", "no such journal entry", Usage},
		{"no privilege", l.asRole(l.production, role), report.Entry, "GRANT DELETE ON public.p", Denied},
		{"another database", elsewhere.production, report.Entry, "was in database", Usage},
	} {
		before := l.state(l.production)
		_, err := Undo(context.Background(), UndoOptions{Production: c.production, Journal: l.journal, IDs: []string{c.id}})
		if r, ok := err.(*Refusal); !ok || r.Kind != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		l.is(l.state(l.production), before)
	}
}

// A child that another session adds, and commits after the undo has begun,
// keeps its parent.
func TestUndo_ConcurrentChild(t *testing.T) {
	l := newLab(t, twoTables).backup()
	report := l.restore(l.options(l.incident("DELETE FROM p")))
	conn := l.connect()
	must(t, conn, "BEGIN; INSERT INTO c VALUES (90, 3)")
	done := make(chan *UndoReport)
	go func() {
		r, err := Undo(context.Background(), UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{report.Entry}, LockTimeout: 1e11})
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	l.await("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'rowback restore' AND datname = current_database())")
	must(t, conn, "COMMIT")
	if c := l.undone(<-done, "p"); c.Kept != 1 || c.Removed != 8 {
		t.Errorf("%+v", c)
	}
}

// A link that is cut again leads nowhere by another foreign key over its column either.
func TestUndo_TwoForeignKeysOverOneColumn(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (id int PRIMARY KEY REFERENCES p ON DELETE CASCADE); INSERT INTO p SELECT generate_series(1, 9); INSERT INTO q SELECT id FROM p;
		CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL REFERENCES q ON DELETE SET NULL); INSERT INTO c SELECT i, i FROM generate_series(1, 9) i`).backup()
	id := l.incident("DELETE FROM p WHERE id < 4")
	after := l.state(l.production)
	if undo := l.undo(UndoOptions{}, l.restore(l.options(id)).Entry); !undo.Complete() {
		t.Errorf("%+v", undo.Kept)
	}
	l.is(l.state(l.production), after)
}
