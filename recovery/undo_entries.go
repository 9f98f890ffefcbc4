package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/journal"
)

// load reads the entries, with the other transactions of their restores.
func (u *undo) load(ctx context.Context) error {
	var problems []string
	for _, id := range u.o.IDs {
		e, err := u.o.Journal.Entry(ctx, id)
		switch {
		case errors.Is(err, journal.ErrNotFound), errors.Is(err, journal.ErrAmbiguous):
			problems = append(problems, fmt.Sprintf("%s; `rowback log` lists them", err))
			continue
		case err != nil:
			return err
		case e.Kind != journal.Restore:
			problems = append(problems, fmt.Sprintf("%s is a deletion, not a restore; `rowback restore %[1]s` brings its rows back", e.ID))
			continue
		}
		all, err := u.batch(ctx, e)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, mayHaveCommitted) {
			problems = append(problems, noCommit(e))
		}
		for _, e := range all {
			if !slices.ContainsFunc(u.entries, func(o *journal.Entry) bool { return o.ID == e.ID }) {
				u.entries = append(u.entries, e)
			}
		}
	}
	if err := refuse(Usage, problems...); err != nil {
		return err
	}
	slices.SortFunc(u.entries, func(a, b *journal.Entry) int { return strings.Compare(b.ID, a.ID) })
	for _, e := range u.entries {
		if e.Database != u.entries[0].Database {
			return refuse(Usage, "the restores were in several databases; undo one database at a time")
		}
	}
	u.restore.o.Source.Database = u.entries[0].Database
	return nil
}

func mayHaveCommitted(e *journal.Entry) bool {
	return e.Outcome == journal.Committed || e.Outcome == journal.InDoubt
}

func noCommit(e *journal.Entry) string { return e.ID + " did not commit: there is nothing to undo" }

// batch is e with the other transactions of its restore. Of one whose outcome the
// journal does not know rows may be there as well.
func (u *undo) batch(ctx context.Context, e *journal.Entry) ([]*journal.Entry, error) {
	all := []*journal.Entry{e}
	if e.Batch == "" {
		return all, nil
	}
	f := journal.Filter{Kind: journal.Restore, Database: e.Database}
	switch first, err := u.o.Journal.Entry(ctx, e.Batch); {
	case errors.Is(err, journal.ErrNotFound):
		u.warn("the journal has not all transactions of this restore any more: what those before " + e.ID + " brought back may stay")
	case err != nil:
		return nil, err
	default:
		f.Since = first.Time.Add(-skew)
	}
	for o, err := range u.o.Journal.Entries(ctx, f) {
		if err != nil {
			return nil, err
		}
		if o.Batch == e.Batch && o.ID != e.ID {
			all = append(all, o)
		}
	}
	return all, nil
}

// settle keeps the entries that committed, asking the server where the journal does
// not know, and lists what they did.
func (u *undo) settle(ctx context.Context) error {
	var problems []string
	var committed []*journal.Entry
	for _, e := range u.entries {
		outcome, err := u.production.outcome(ctx, e)
		switch {
		case err != nil:
			return err
		case outcome == journal.InDoubt:
			problems = append(problems, e.ID+" is in doubt: whether its transaction committed is not known yet, if it is over at all; the proxy settles it when it next starts")
		case outcome == journal.Committed:
			committed = append(committed, e)
		}
	}
	if len(committed)+len(problems) == 0 {
		problems = append(problems, noCommit(u.entries[0]))
	}
	if err := refuse(Usage, problems...); err != nil {
		return err
	}
	u.entries = committed
	for _, e := range u.entries {
		xid, err := strconv.ParseUint(e.XID, 10, 64)
		if err != nil {
			return refuse(Unfit, e.ID+" does not name its transaction, so its rows cannot be told from others")
		}
		u.restore.o.Source.IDs = append(u.restore.o.Source.IDs, e.ID)
		for _, t := range e.Tables {
			u.source, u.xids = append(u.source, t), append(u.xids, xid)
		}
	}
	return u.sayUndone(ctx)
}

// sayUndone warns of entries that were undone before: what is gone is found to be
// gone, and what stayed then may go now.
func (u *undo) sayUndone(ctx context.Context) error {
	by := map[string]string{}
	oldest := u.entries[0]
	for _, e := range u.entries {
		if e.Time.Before(oldest.Time) {
			oldest = e
		}
	}
	for o, err := range u.o.Journal.Entries(ctx, journal.Filter{Kind: journal.Deletion, Outcome: journal.Committed, Since: oldest.Time}) {
		if err != nil {
			return err
		}
		for _, id := range o.Restores {
			by[id] = o.ID
		}
	}
	for _, e := range u.entries {
		if undo := by[e.ID]; undo != "" {
			u.warn(e.ID + " was undone already, on record as " + undo)
		}
	}
	return nil
}
