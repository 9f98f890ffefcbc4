package recovery

import (
	"context"
	"slices"

	"github.com/rowback/rowback/journal"
)

// settleSource takes the deletions that a filter selects and whose outcome the journal
// does not know, where the server says that they committed. One that it cannot tell of is
// listed: its rows may be gone. One that is still under way has removed nothing yet.
func (r *restore) settleSource(ctx context.Context) error {
	s := r.o.Source
	if len(s.doubt) == 0 {
		return nil
	}
	here, err := r.production.system(ctx)
	if err != nil {
		return err
	}
	entries := slices.Clone(s.entries)
	warnings := slices.Clone(s.Warnings)
	for _, e := range s.doubt {
		if e.Database != s.Database || elsewhere(e, here) {
			warnings = append(warnings, leftInDoubt(e))
			continue
		}
		outcome, open, err := r.production.ended(ctx, e)
		switch {
		case err != nil:
			return err
		case outcome == journal.Committed:
			settled := *e
			settled.Outcome = outcome
			entries = append(entries, &settled)
		case open:
			warnings = append(warnings, "left out "+e.ID+": its transaction is still under way")
		case outcome == journal.InDoubt:
			for _, t := range e.Tables {
				r.lost = append(r.lost, Unrestored{Schema: t.Schema, Table: t.Name, Reason: plural(t.Rows, "row") + " " + leftInDoubt(e)})
			}
		}
	}
	settled, err := fromEntries(ctx, r.o.Journal, entries)
	if err != nil {
		return err
	}
	settled.Warnings, settled.partial = append(warnings, settled.Warnings...), s.partial
	r.o.Source = settled
	return nil
}

func leftInDoubt(e *journal.Entry) string {
	return "left out " + e.ID + ": it is not known yet whether its deletion committed; name it by its ID to restore it"
}
