package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// aftermath is what became of entries: which restores brought a deletion's rows back,
// and which deletions took those of a restore back again.
type aftermath struct {
	journal journal.Journal
	of      map[string][]*journal.Entry // committed restores and undos, by the ID of what they restore or undo, oldest first
	entries map[string]*journal.Entry   // that were looked up; nil: removed since
	left    int64                       // keys that may still be read to tell how much is back
	full    bool                        // of one entry, in full
}

// listingKeys is how many keys a listing reads at most to tell exactly how much of its
// entries is back: what numbers tell is not counted.
const listingKeys = 1 << 20

func readAftermath(ctx context.Context, j journal.Journal) (*aftermath, error) {
	a := &aftermath{journal: j, of: map[string][]*journal.Entry{}, entries: map[string]*journal.Entry{}, left: listingKeys}
	for _, f := range []journal.Filter{
		{Kind: journal.Deletion, Outcome: journal.Committed, Application: "rowback restore"}, // undos
		{Kind: journal.Restore, Outcome: journal.Committed},
	} {
		for e, err := range j.Entries(ctx, f) {
			if err != nil {
				return nil, err
			}
			for _, id := range e.Restores {
				a.of[id] = append(a.of[id], e)
			}
		}
	}
	for _, of := range a.of {
		slices.SortFunc(of, byID)
	}
	return a, nil
}

func byID(x, y *journal.Entry) int { return strings.Compare(x.ID, y.ID) }

// after are all entries that restore or undo e, or one another, where they were, oldest first.
func (a *aftermath) after(e *journal.Entry) []*journal.Entry {
	out := a.direct(e)
	for i := 0; i < len(out); i++ { // grows
		for _, x := range a.direct(out[i]) {
			if !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
	}
	slices.SortFunc(out, byID)
	return out
}

// kind is an entry's, and whether it has been restored or undone since, as far as known.
func (a *aftermath) kind(ctx context.Context, e *journal.Entry) (string, error) {
	b, err := a.back(ctx, e)
	return a.kindWith(e, b), err
}

// kindWith is kind where b is known.
func (a *aftermath) kindWith(e *journal.Entry, b *back) string {
	kind := b.kind(e.Kind)
	if kind != string(e.Kind) {
		return kind
	}
	if all := a.visits(e); len(all) > 0 {
		kind += ", restored " + all[len(all)-1].into(e)
	}
	return kind
}

// kind is an entry's of this kind with b.
func (b *back) kind(kind journal.Kind) string {
	what := ", restored"
	if kind == journal.Restore {
		what = ", undone"
	}
	switch {
	case b == nil, b.Known && b.Rows == 0:
		return string(kind)
	case b.Rows < b.Of && b.Known:
		what += fmt.Sprintf(" in part (%d of %d)", b.Rows, b.Of)
	case b.Rows < b.Of && b.Rows > 0:
		what += fmt.Sprintf(", at least %d of %d", b.Rows, b.Of)
	case b.Rows < b.Of:
		what = strings.Replace(what, ", ", ", perhaps ", 1)
	}
	return string(kind) + what
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
