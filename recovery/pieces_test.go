package recovery

import (
	"context"
	"errors"
	"testing"

	"github.com/rowback/rowback/journal"
)

func TestBatch_ComesToTheSame(t *testing.T) {
	l := newLab(t, append(zoo, `CREATE TABLE cut (id int PRIMARY KEY, a int REFERENCES uq ON DELETE SET NULL); INSERT INTO cut SELECT i, i FROM generate_series(1, 9) i;
		CREATE TABLE many (id int PRIMARY KEY, a int REFERENCES uq ON DELETE CASCADE, pad text); INSERT INTO many SELECT i, 1 + i % 9, repeat('x', 500) FROM generate_series(1, 900) i`)...).backup()
	before := l.state(l.production)
	id := l.incident(zooIncident)
	after := l.state(l.production)
	o := l.options(id)
	o.Batch = 100
	report := l.restore(o)
	l.is(l.state(l.production), before)
	if !report.Complete() || len(report.Entries) < 20 || l.count(report, "many").Restored != 600 || l.count(report, "cut").Relinked != 6 {
		t.Errorf("%d entries, %+v", len(report.Entries), report)
	}
	if again := l.restore(o); again.Restored != 0 || len(again.Entries) != 0 || !again.Complete() || l.count(again, "many").AlreadyPresent != 600 {
		t.Errorf("again: %+v", again)
	}
	l.undo(UndoOptions{}, report.Batch) // one ID for all of them
	l.is(l.state(l.production), after)
	o.Config = configured(t, "after: [SELECT 1]")
	l.refused(o, Usage, "--batch makes it several")
}

// tired takes so many entries and then no more, as if the power went.
type tired struct {
	journal.Journal
	left int
}

func (j *tired) Append(ctx context.Context, e *journal.Entry, k *journal.Keys) error {
	if j.left--; j.left < 0 {
		return errors.New("no more")
	}
	return j.Journal.Append(ctx, e, k)
}

func TestBatch_GoesOnAfterAStop(t *testing.T) {
	l := newLab(t, twoTables, "INSERT INTO p SELECT i, 'p' || i, i FROM generate_series(10, 3000) i; INSERT INTO c SELECT i, i FROM generate_series(10, 3000) i").backup()
	before := l.state(l.production)
	id := l.incident("DELETE FROM p")
	l.exec("INSERT INTO p VALUES (5000, 'p2500', 1)") // one row cannot come back, nor what hangs on it
	o := l.options(id)
	o.Batch = 500
	o.Journal = &tired{l.journal, 4}
	report, err := Restore(context.Background(), o)
	if !errors.Is(err, ErrPartly) || errors.Is(err, ErrStopped) || len(report.Entries) != 4 || report.Restored == 0 {
		t.Fatalf("%v %+v", err, report)
	}
	if n := len(l.state(l.production)["public.p"]); n != int(report.Restored)+1 {
		t.Errorf("%d rows are there, %d were restored", n, report.Restored)
	}
	first := report.Restored
	o.Journal = l.journal
	report = l.restore(o)
	if c := l.count(report, "p"); c.AlreadyPresent != first || c.Restored != 2999-first || c.Conflicts != 1 {
		t.Errorf("p: %+v after %d", c, first)
	}
	if c := l.count(report, "c"); c.Restored != 2999 || c.ParentGone != 1 || len(report.Unrestored) != 2 {
		t.Errorf("c: %+v %v", c, reasons(report))
	}
	delete(before["public.p"], "2500")
	delete(before["public.c"], "2500")
	now := l.state(l.production)
	delete(now["public.p"], "5000")
	l.is(now, before)
}

// A link is given back also to a row that one of the transactions before found to be there.
func TestPieces_LinksOfRowsThatAreThere(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, pad text, p_id int REFERENCES p ON DELETE SET NULL);
		INSERT INTO p VALUES (1), (2); INSERT INTO c SELECT i, repeat('x', 300), NULL FROM generate_series(1, 1000) i`).backup()
	first := l.incident("DELETE FROM c")
	l.restore(l.options(first))
	l.exec("UPDATE c SET p_id = 2 WHERE id <= 10")
	before := l.state(l.production)
	second := l.incident("DELETE FROM p WHERE id = 2")
	o := l.options(first, second)
	o.Batch = 100
	l.restore(o)
	l.is(l.state(l.production), before)
}
