package recovery

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// slip is a journal in which something happens to the n-th entry.
type slip struct {
	journal.Journal
	n       int
	entry   func(*journal.Entry)
	unknown bool // how it ended is not recorded
	id      string
}

func (j *slip) Append(ctx context.Context, e *journal.Entry, k *journal.Keys) error {
	if j.n--; j.n == 0 {
		if j.entry != nil {
			j.entry(e)
		}
		j.id = e.ID
	}
	return j.Journal.Append(ctx, e, k)
}

func (j *slip) Settle(ctx context.Context, id string, o journal.Outcome) error {
	if j.unknown && id == j.id {
		return journal.ErrAway
	}
	return j.Journal.Settle(ctx, id, o)
}

const threePieces = `CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i`

// All transactions of a restore are taken back, or none: also one of which the journal
// does not know how it ended, or that is older than the first by a clock that was set back.
func TestUndo_EveryTransactionOfABatch(t *testing.T) {
	for name, c := range map[string]struct {
		slip    slip
		refused string
	}{
		"the first in doubt":      {slip{n: 1, unknown: true}, ""},
		"another in doubt":        {slip{n: 2, unknown: true}, ""},
		"in doubt for the server": {slip{n: 2, unknown: true, entry: func(e *journal.Entry) { e.Server.Started = time.Now().Add(-time.Hour) }}, "is in doubt"},
		"the clock was set back": {slip{n: 2, entry: func(e *journal.Entry) {
			e.Time = e.Time.Add(-time.Hour)
			e.ID = journal.NewID(e.Time)
		}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.slip.unknown && c.refused == "" {
				pgtest.Since(t, 15, tellsRuns)
			}
			l := newLab(t, threePieces).backup()
			o := l.options(l.incident("DELETE FROM b"))
			c.slip.Journal = l.journal
			o.Batch, o.Journal = 1000, &c.slip
			report := l.restore(o)
			undo, err := Undo(context.Background(), UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{report.Batch}})
			left := len(l.state(l.production)["public.b"])
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || left != 3000 {
					t.Errorf("%d rows are there: %v", left, err)
				}
				return
			}
			if err != nil || !undo.Complete() || undo.Removed != 3000 || left != 0 {
				t.Errorf("%d rows are there: %+v, %v", left, undo, err)
			}
		})
	}
}

// Of the oldest transactions of a batch the journal may know nothing any more.
func TestUndo_BatchWithoutItsFirst(t *testing.T) {
	l := newLab(t, threePieces).backup()
	o := l.options(l.incident("DELETE FROM b"))
	o.Batch = 1000
	report := l.restore(o)
	if err := l.journal.(journal.Keeper).Remove(context.Background(), []string{report.Batch}); err != nil {
		t.Fatal(err)
	}
	undo := l.undo(UndoOptions{}, report.Entries[1])
	if undo.Removed == 3000 || undo.Removed == 0 || !strings.Contains(strings.Join(undo.Warnings, ""), "has not all transactions of this restore any more") {
		t.Errorf("%+v", undo)
	}
}

// A row that several of the restores brought back, one after the other, is the last one's.
func TestUndo_OfRestoresOfOneRow(t *testing.T) {
	l := newLab(t, twoTables).backup()
	var ids []string
	for range 2 {
		ids = append(ids, l.restore(l.options(l.incident("DELETE FROM p WHERE id < 4"))).Entry)
	}
	if undo := l.undo(UndoOptions{}, ids...); !undo.Complete() || l.undone(undo, "p").Removed != 3 {
		t.Errorf("%+v", undo)
	}
}

// Rows that were removed after their links were cut come back with these in one piece, as
// much as with all the others: so an undo takes them back.
func TestUndo_OfABatchWithLinks(t *testing.T) {
	for _, batch := range []int64{0, 1000} {
		l := newLab(t, `CREATE TABLE c (id int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY, main int REFERENCES c ON DELETE SET NULL); INSERT INTO c SELECT generate_series(1, 9); INSERT INTO p SELECT i, i FROM generate_series(1, 9) i`).backup()
		before := l.state(l.production)
		o := l.options(l.incident("DELETE FROM c WHERE id <= 3"), l.incident("DELETE FROM p WHERE id <> 2"))
		o.Batch = batch
		after := l.state(l.production)
		report := l.restore(o)
		l.is(l.state(l.production), before)
		if undo := l.undo(UndoOptions{}, report.Entry); !report.Complete() || !undo.Complete() || l.undone(undo, "p").Unlinked != 1 {
			t.Errorf("in batches of %d: %+v, %+v", batch, report, undo)
		}
		l.is(l.state(l.production), after)
	}
}
