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

// What else the journal has of the rows that a restore or an undo is about: entries that
// nobody has asked for. Damage to these keeps nothing away, and is told.

// onRecord are the entries that the filters select, as far as they can be read.
func (r *restore) onRecord(ctx context.Context, damaged func(error), filters ...journal.Filter) iter.Seq2[*journal.Entry, error] {
	return func(yield func(*journal.Entry, error) bool) {
		for _, f := range filters {
			for e, err := range r.o.Journal.Entries(ctx, f) {
				if journal.IsDamage(err) {
					damaged(err)
					break
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// rowsOf are the rows of such an entry, as far as they can be read; none if it has been
// removed meanwhile.
func (r *restore) rowsOf(ctx context.Context, id string, damaged func(error)) iter.Seq2[journal.Row, error] {
	return func(yield func(journal.Row, error) bool) {
		for row, err := range r.o.Journal.Rows(ctx, id) {
			switch {
			case errors.Is(err, journal.ErrNotFound):
				return
			case journal.IsDamage(err):
				damaged(err)
				return
			case err != nil:
				err = fmt.Errorf("reading the keys of %s: %w", id, err)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// tableOf is the table that rows of an entry's table are restored into; nil: none.
func (r *restore) tableOf(st *journal.Table) *table {
	live, err := r.liveTable(st)
	if err != nil {
		return nil
	}
	return r.byOID[live.Root().OID]
}

// keyIn says where rows of an entry's table have t's key; nil: they have it not.
func (r *restore) keyIn(st *journal.Table, t *table) (at []int) {
	names := r.renamed(t.live, namesOf(st.Key))
	if !st.KeysCaptured || len(names) != len(t.key) || lacks(names, t.key) {
		return nil
	}
	for _, c := range t.key {
		at = append(at, slices.Index(names, c))
	}
	return at
}

func namesOf(columns []journal.Column) (out []string) {
	for _, c := range columns {
		out = append(out, c.Name)
	}
	return out
}

// ofAnotherType makes the error of a key whose values are none of the type that it has now
// one for people; nil: it is something else.
func ofAnotherType(err error) error {
	code := sqlState(err)
	switch {
	case strings.HasPrefix(code, "22"), code == "42846", code == "42883", code == "42804": // no such value, cast, operator; another type
	default:
		return nil
	}
	return fmt.Errorf("its keys are values of another type than they have now (SQLSTATE %s)", code)
}
