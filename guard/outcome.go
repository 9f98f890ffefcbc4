package guard

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/rowback/rowback/journal"
)

// ended records how the transaction of an entry (nil: it removed nothing) ended.
// Where other sessions are writing to the journal the client does not wait for that:
// the outcome is written with what they write, and until then the entry is in doubt, as
// after a crash. What people are told of is recorded first.
func (s *session) ended(ctx context.Context, e *journal.Entry, o journal.Outcome) {
	if o == journal.Committed {
		s.settleUses(ctx, true)
		s.settleWindows()
		s.superseded(context.WithoutCancel(ctx))
	}
	s.drop()
	if e == nil {
		return
	}
	s.pending = nil
	// The client may be gone; the outcome is known all the same.
	ctx = context.WithoutCancel(ctx)
	if e.Alert != "" || s.j.appending.Load() == 0 {
		s.j.record(ctx, s.db, e, o)
		return
	}
	if s.outcomes == nil {
		s.outcomes = new(errgroup.Group)
		s.outcomes.SetLimit(maxOutcomes)
	}
	s.outcomes.Go(func() error {
		s.j.record(ctx, s.db, e, o)
		return nil
	})
}

// maxOutcomes bounds what a session has not recorded yet: the next one waits.
const maxOutcomes = 8

// settled waits until all outcomes are recorded.
func (s *session) settled() {
	if s.outcomes != nil {
		_ = s.outcomes.Wait()
	}
}

// record writes an outcome to the journal, and tells who is to know.
func (j *Judge) record(ctx context.Context, db *database, e *journal.Entry, o journal.Outcome) {
	stored := false
	defer func() {
		if !stored { // for whatever reason
			db.doubt(e.ID, doubt{ours: true})
		}
	}()
	if err := j.o.Journal.Settle(ctx, e.ID, o); err != nil {
		j.o.Metrics.JournalErrors.Inc()
		j.o.Logger.Error("outcome could not be recorded; it will be settled later", "id", e.ID, "outcome", o, "error", err)
		return
	}
	stored = true
	j.tell(e, o)
}

// tell counts an entry whose outcome is recorded now, and tells who is to know.
func (j *Judge) tell(e *journal.Entry, o journal.Outcome) {
	if e.Outcome = o; o != journal.Committed || e.Kind != journal.Deletion {
		return
	}
	j.o.Metrics.removed(e)
	without := keyless(e.Tables)
	if len(without) > 0 {
		j.o.Logger.Warn("rows were removed whose keys are not recorded; they cannot be restored by key",
			"id", e.ID, "rows", rowsOf(without), "why", without[0].Why)
	}
	if short := incomplete(e.Tables); len(short) > 0 {
		j.o.Logger.Warn("rows were removed that are not recorded whole, as the policy asks; they can be restored from a recovery database only",
			"id", e.ID, "rows", rowsOf(short), "why", short[0].WhyNoRows)
	}
	switch {
	case e.Alert != "":
		j.raise(e, "")
	case len(without) > 0:
		j.o.Alerts.Entry(e) // to who asks for these
	}
}
