package upkeep

import (
	"context"
	"errors"

	"github.com/rowback/rowback/journal"
)

// approval stores an allowance with its uses, or a hold with its answer. An import that
// was broken off between them is made whole.
func (i *importer) approval(ctx context.Context, l line) error {
	var err, more error
	switch {
	case l.Allowance != nil:
		err = i.j.Grant(ctx, l.Allowance)
		if err == nil || errors.Is(err, journal.ErrExists) {
			more = i.uses(ctx, l.Allowance, err != nil)
		}
	case l.Hold != nil:
		h := l.Hold
		err = i.j.Hold(ctx, h)
		if (err == nil || errors.Is(err, journal.ErrExists)) && h.State != journal.Waiting {
			_, more = i.j.Decide(ctx, h.ID, h.State, h.By, h.Reason, h.Decided)
			if errors.Is(more, journal.ErrDecided) {
				more = nil // expired, or there already
			}
		}
	default:
		return errors.New("neither an entry nor an allowance nor a hold, as `rowback journal export` writes them")
	}
	if more != nil {
		return more
	}
	return i.taken(err, &i.done.Approvals)
}

// uses stores those of an allowance, and its end. One that was there already may have some.
func (i *importer) uses(ctx context.Context, a *journal.Allowance, there bool) error {
	var has journal.Allowance
	if there {
		var err error
		if has, err = i.existing(ctx, a.ID); err != nil {
			return err
		}
	}
	if !has.Revoked.IsZero() { // that came last
		return nil
	}
	used := map[string]bool{}
	for _, u := range has.Uses {
		used[u.ID] = true
	}
	for _, u := range a.Uses {
		if used[u.ID] {
			continue
		}
		// Its own time: one that has expired since was used before.
		if err := i.j.Use(ctx, a.ID, u.ID, u.Rows, u.Time); err != nil {
			return err
		}
	}
	if a.Revoked.IsZero() {
		return nil
	}
	_, err := i.j.Revoke(ctx, a.ID, a.RevokedBy, a.Revoked)
	return err
}

// existing is the allowance of this ID in the journal.
func (i *importer) existing(ctx context.Context, id string) (journal.Allowance, error) {
	if a, ok := i.granted[id]; ok {
		return a, nil
	}
	all, err := i.j.Allowances(ctx, zero)
	i.granted = map[string]journal.Allowance{}
	for _, a := range all {
		i.granted[a.ID] = a
	}
	return i.granted[id], err
}
