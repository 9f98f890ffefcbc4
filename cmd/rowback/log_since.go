package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rowback/rowback/journal"
)

// aftermath is what became of entries: by ID the newest restore that brought a
// deletion's rows back, and the deletion that took a restore back.
type aftermath struct{ restored, undone map[string]string }

func readAftermath(ctx context.Context, j journal.Journal) (*aftermath, error) {
	a := &aftermath{map[string]string{}, map[string]string{}}
	for _, f := range []journal.Filter{
		{Kind: journal.Deletion, Outcome: journal.Committed, Application: "rowback restore"}, // undos
		{Kind: journal.Restore, Outcome: journal.Committed},
	} {
		for e, err := range j.Entries(ctx, f) {
			if err != nil {
				return nil, err
			}
			to := a.restored
			if e.Kind == journal.Deletion {
				to = a.undone
			} else if a.undone[e.ID] != "" {
				continue // it is as if it had not been
			}
			for _, id := range e.Restores {
				if to[id] == "" { // newest first
					to[id] = e.ID
				}
			}
		}
	}
	return a, nil
}

// kind is an entry's, and whether it has been restored or undone since.
func (a *aftermath) kind(e *journal.Entry) string {
	switch {
	case a.undone[e.ID] != "":
		return string(e.Kind) + ", undone"
	case a.back(e) != "":
		return string(e.Kind) + ", restored"
	}
	return string(e.Kind)
}

// back is the restore that brought e's rows back: of a deletion none of whose
// rows is known there is none, whatever restore it was named to.
func (a *aftermath) back(e *journal.Entry) string {
	known := func(t journal.Table) bool { return t.KeysCaptured || t.RowsCaptured }
	if len(e.Tables) > 0 && !slices.ContainsFunc(e.Tables, known) {
		return ""
	}
	return a.restored[e.ID]
}

// entryOfHold is the entry that a held statement led to once it was allowed;
// otherwise notFound, or what the hold is.
func entryOfHold(ctx context.Context, j journal.Journal, id string, notFound error) (*journal.Entry, error) {
	h, err := j.HoldByID(ctx, id)
	if err != nil {
		return nil, usageError(fmt.Errorf("%w; `rowback log` lists them", notFound))
	}
	for e, err := range j.Entries(ctx, journal.Filter{Since: h.Time}) {
		if err != nil {
			return nil, err
		}
		for _, a := range e.Allowed {
			if a.ID == h.ID {
				return e, nil
			}
		}
	}
	return nil, usageError(fmt.Errorf("%w: it is a statement that was held (%s); see `rowback allow holds %s`", notFound, h.State, h.ID))
}

// entryNamed is the one entry with this ID or unique prefix. The ID of a held
// statement, which is the reference that its client was told, is the entry it led to.
func entryNamed(ctx context.Context, j journal.Journal, id string) (*journal.Entry, error) {
	e, err := j.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return entryOfHold(ctx, j, id, err)
	}
	if errors.Is(err, journal.ErrAmbiguous) || errors.Is(err, journal.ErrNotFound) {
		return nil, usageError(fmt.Errorf("%w; `rowback log` lists them", err))
	}
	return e, err
}
