package recovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// Source says which rows are wanted: keys only, never their contents.
type Source struct {
	IDs      []string        // journal entries, newest first; empty for a key file
	Database string          // where the deletions were, as a default; "" if not known
	Tables   []journal.Table // Schema may be "" in a key file: the table of that name
	// Rows yields every key; Row.Table indexes Tables. It may be ranged over more than once.
	Rows iter.Seq2[journal.Row, error]
	// Images yields the image of every row that has one, likewise; nil: there are none.
	Images   iter.Seq2[journal.Image, error]
	Warnings []string                  // shown in the plan
	of       []*journal.Entry          // one a table: whose it is; nil of a file
	bare     []*journal.Entry          // that name no table: see Unnumbered
	partial  bool                      // tables whose keys were not captured are left out and listed
	origin   string                    // how a file was asked for: "--from-diff lost.json"
	keysIn   string                    // of a file that people write keys in: "k.csv, line 1: the header is (%s)", a format
	find     func(value string) string // and where in it a value of a key stands, "" if it is not found
	past     *past                     // nil: no table is without a key

	entries []*journal.Entry // newest first; nil of a file
	doubt   []*journal.Entry // what a filter selects beside them, of which the journal does not know how it ended
}

// fromFile: a person wrote the keys.
func (s *Source) fromFile() bool { return len(s.IDs) == 0 }

// total is how many keys Rows will yield, as far as known.
func (s *Source) total() (n int64) {
	for _, t := range s.Tables {
		n += t.Rows
	}
	return n
}

// FromIDs selects journal entries by ID or unique prefix.
func FromIDs(ctx context.Context, j journal.Journal, ids []string) (*Source, error) {
	var entries []*journal.Entry
	var problems []string
	for _, id := range ids {
		e, err := j.Entry(ctx, id)
		switch {
		case errors.Is(err, journal.ErrNotFound), errors.Is(err, journal.ErrAmbiguous):
			problems = append(problems, fmt.Sprintf("%s; `rowback log` lists them", err))
			continue
		case err != nil:
			return nil, err
		}
		why := nothingToRestore(e)
		if Superseded(e) {
			if why, err = supersededText(ctx, j, e); err != nil {
				return nil, err
			}
		}
		if why != "" {
			problems = append(problems, why)
		}
		if !slices.ContainsFunc(entries, func(o *journal.Entry) bool { return o.ID == e.ID }) {
			entries = append(entries, e)
		}
	}
	if err := refuse(Usage, problems...); err != nil {
		return nil, err
	}
	return fromEntries(ctx, j, entries)
}

// FromFilter selects the committed deletions that f selects; of those in doubt the
// server is asked (see settleSource).
func FromFilter(ctx context.Context, j journal.Journal, f journal.Filter) (*Source, error) {
	f.Kind = journal.Deletion
	var entries, doubt []*journal.Entry
	var warnings []string
	for e, err := range j.Entries(ctx, f) {
		switch {
		case err != nil:
			return nil, err
		case len(e.Restores) > 0:
			warnings = append(warnings, "left out "+e.ID+": it took a restore back on purpose; name it by its ID to restore it")
		case e.Kind == journal.Deletion && e.Outcome == journal.Committed:
			entries = append(entries, e)
		case e.Outcome == journal.InDoubt:
			doubt = append(doubt, e)
		}
	}
	if len(entries) == 0 {
		for _, e := range doubt {
			warnings = append(warnings, leftInDoubt(e))
		}
		return nil, refuse(Usage, append([]string{"no committed deletion in the journal matches; see `rowback log` with the same filters"}, warnings...)...)
	}
	s, err := fromEntries(ctx, j, entries)
	if err != nil {
		return nil, err
	}
	s.Warnings = append(s.Warnings, warnings...)
	s.partial, s.doubt = true, doubt
	return s, nil
}

// nothingToRestore says why e holds no rows to bring back, or "".
func nothingToRestore(e *journal.Entry) string {
	switch {
	case e.Kind == journal.Restore:
		return "nothing to restore: " + e.ID + " is itself a restore; name the deletion"
	case e.Outcome == journal.Blocked:
		return "nothing to restore: " + e.ID + " was blocked, no row was removed"
	case e.Outcome == journal.RolledBack:
		return "nothing to restore: " + e.ID + " was rolled back, no row was removed"
	}
	return ""
}

func fromEntries(ctx context.Context, j journal.Journal, entries []*journal.Entry) (*Source, error) {
	slices.SortFunc(entries, func(a, b *journal.Entry) int { return strings.Compare(b.ID, a.ID) })
	s := &Source{Database: entries[0].Database, entries: entries}
	base := make([]int, len(entries)) // where each entry's tables begin in s.Tables
	for i, e := range entries {
		if e.Database != s.Database {
			return nil, refuse(Usage, fmt.Sprintf("the deletions were in several databases (%s in %s, %s in %s); restore one database at a time", entries[0].ID, s.Database, e.ID, e.Database))
		}
		base[i] = len(s.Tables)
		s.IDs = append(s.IDs, e.ID)
		s.Tables = append(s.Tables, e.Tables...)
		s.of = append(s.of, slices.Repeat([]*journal.Entry{e}, len(e.Tables))...)
		if Unnumbered(e) {
			s.bare = append(s.bare, e)
		}
		if e.Outcome == journal.InDoubt {
			// Safe: a row is written only if it is proved absent.
			s.Warnings = append(s.Warnings, e.ID+" is in doubt (rowback ended around its commit): rows that were not removed after all are counted as already present")
		}
	}
	s.Rows = func(yield func(journal.Row, error) bool) {
		for i, e := range entries {
			for row, err := range j.Rows(ctx, e.ID) {
				row.Table += base[i]
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
	s.Images = func(yield func(journal.Image, error) bool) {
		for i, e := range entries {
			for image, err := range j.Images(ctx, e.ID) {
				image.Table += base[i]
				if !yield(image, err) || err != nil {
					return
				}
			}
		}
	}
	var err error
	s.past, err = newPast(ctx, j, entries)
	return s, err
}

// whole: there are images of the rows of some table.
func (s *Source) whole() bool {
	return s.Images != nil && slices.ContainsFunc(s.Tables, func(t journal.Table) bool { return t.RowsCaptured && t.Rows > 0 })
}
