package recovery

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

const noKey = "the table has no primary key or unique not-null key"

// presentKeyless is present for a table without a key. That a restore has brought
// the rows of a deletion back before, the journal proves. Else a row is absent
// if none is in production that is identical; whether an identical one is the same
// or another, nobody can tell.
func (r *restore) presentKeyless(ctx context.Context, t *table) error {
	out := func(feeds, reason string) error {
		return r.production.exec(ctx, fmt.Sprintf(`
			WITH d AS (DELETE FROM %[1]s s WHERE %[2]s RETURNING s.*)
			INSERT INTO %[3]s (%[4]s, rowback_class, rowback_reason) SELECT %[4]s, '%[5]s', %[6]s FROM d`,
			t.in, feeds, t.left, list("", t.columns), classDifferent, literal(reason)))
	}
	identical := fmt.Sprintf("EXISTS (SELECT FROM %s l WHERE %s)", only(t.live), t.is("l", "s"))
	for _, f := range t.images {
		whole, some := r.broughtBack(f)
		if !some {
			continue
		}
		mine := fmt.Sprintf("s.rowback_feed = %d", f.n)
		there := mine
		if !whole {
			there += " AND " + identical
		}
		n, err := r.production.affect(ctx, fmt.Sprintf("DELETE FROM %s s WHERE %s", t.in, there))
		if err != nil {
			return err
		}
		t.count.AlreadyPresent += n
		if !whole {
			if err := out(mine, "a restore brought some of these rows back before, and the table has no key to tell whether this one has been changed since; insert it by hand if it is missing"); err != nil {
				return err
			}
		}
	}
	return out(identical, "an identical row is in production, and the table has no key to tell whether it is the same; insert it by hand if it is another")
}

// broughtBack: committed restores of the same deletion brought some rows of this
// table back, or all of them.
func (r *restore) broughtBack(f *imageFeed) (whole, some bool) {
	whole, some = r.o.Source.back[r.o.Source.of[f.n].ID][journal.QuoteName(f.t.live.Schema, f.t.live.Name)]
	return whole, some
}

// restoredBefore says of tables without a key that committed restores of the
// entries have brought some of their rows back, by the entry's ID and the table's
// name, and whether all.
func restoredBefore(ctx context.Context, j journal.Journal, entries []*journal.Entry) (map[string]map[string]bool, error) {
	out := map[string]map[string]bool{}
	if !slices.ContainsFunc(entries, func(e *journal.Entry) bool {
		return slices.ContainsFunc(e.Tables, func(t journal.Table) bool { return t.RowsCaptured && len(t.Key) == 0 })
	}) {
		return out, nil
	}
	undone := map[string]map[string]int64{} // rows, by the restore's ID and the table's name
	for e, err := range j.Entries(ctx, journal.Filter{Kind: journal.Deletion, Outcome: journal.Committed}) {
		if err != nil {
			return nil, err
		}
		for _, id := range e.Restores {
			if undone[id] == nil {
				undone[id] = map[string]int64{}
			}
			for _, t := range e.Tables {
				undone[id][journal.QuoteName(t.Schema, t.Name)] += t.Rows
			}
		}
	}
	for e, err := range j.Entries(ctx, journal.Filter{Kind: journal.Restore, Outcome: journal.Committed}) {
		if err != nil {
			return nil, err
		}
		for _, t := range e.Tables {
			if t.KeysCaptured {
				continue
			}
			name := journal.QuoteName(t.Schema, t.Name)
			rows := t.Rows - undone[e.ID][name]
			if rows <= 0 {
				continue
			}
			asked := int64(0)
			for _, id := range e.Restores {
				from, err := j.Entry(ctx, id)
				if errors.Is(err, journal.ErrNotFound) { // removed since: who knows how many it had
					asked = math.MaxInt64
					break
				}
				if err != nil {
					return nil, err
				}
				for _, o := range from.Tables {
					if o.Schema == t.Schema && o.Name == t.Name && o.RowsCaptured {
						asked += o.Rows
					}
				}
			}
			for _, id := range e.Restores {
				if out[id] == nil {
					out[id] = map[string]bool{}
				}
				out[id][name] = out[id][name] || rows >= asked
			}
		}
	}
	return out, nil
}

// unrestoredKeyless lists the rows of t that stay out, a line a reason: nothing
// but all of its values names such a row.
func (r *restore) unrestoredKeyless(ctx context.Context, t *table) (out []Unrestored, err error) {
	err = r.production.each(ctx, fmt.Sprintf("SELECT rowback_reason, count(*) FROM %s x WHERE %s GROUP BY 1 ORDER BY 1", t.left, r.listedClasses()), func(row []*string) error {
		out = append(out, Unrestored{Schema: t.live.Schema, Table: t.live.Name, Reason: strings.TrimSpace(*row[1] + " rows: " + *row[0])})
		return nil
	})
	return out, err
}
