package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// removedAgain finds, of the rows asked for, those that a restore of the same deletions
// brought back before, and that a later deletion removed again that is not asked for: the
// same restore, run again, leaves them out. An undo took its restore back, which brought nothing then. One
// that came back since all the same, as a restore or a deletion asked for tells, comes back.
func (r *restore) removedAgain(ctx context.Context) error {
	tables := map[int]*catalog.Table{}
	for i, t := range r.feeds {
		if len(t.key) > 0 {
			tables[i] = t.live
		}
	}
	for i, f := range r.images {
		if len(f.t.key) > 0 {
			tables[i] = f.t.live
		}
	}
	if len(r.o.Source.of) == 0 || len(tables) == 0 {
		return nil
	}
	here, err := r.production.system(ctx)
	if err != nil {
		return err
	}
	first := slices.MinFunc(r.o.Source.of, func(a, b *journal.Entry) int { return a.Time.Compare(b.Time) })
	ended := func(e *journal.Entry) (bool, error) {
		o, err := r.production.outcome(ctx, e)
		return o != journal.RolledBack, err
	}
	broughtBack := func(of []*journal.Entry) ([]*journal.Entry, error) {
		return r.later(ctx, []journal.Filter{{Kind: journal.Restore, Since: first.Time}}, func(e *journal.Entry) (bool, error) {
			if asking, err := r.broughtHere(ctx, e, of, here); err != nil || len(asking) == 0 {
				return false, err
			}
			return ended(e)
		})
	}
	restores, err := broughtBack(r.o.Source.of)
	if err != nil || len(restores) == 0 {
		return err
	}
	first = slices.MinFunc(restores, func(a, b *journal.Entry) int { return a.Time.Compare(b.Time) })
	var undos []*journal.Entry
	removals, err := r.later(ctx, r.laterOf(first, tables), func(e *journal.Entry) (bool, error) {
		if e.Outcome != journal.Committed && e.Outcome != journal.InDoubt || slices.Contains(r.o.Source.IDs, e.ID) ||
			e.Database != r.o.Source.Database && e.Database != r.production.catalog.Database || elsewhere(e, here) {
			return false, nil
		}
		gone, err := ended(e)
		if !gone || err != nil || len(e.Restores) == 0 {
			return gone, err
		}
		undo, err := r.tookBack(ctx, e, time.Time{})
		if undo {
			undos = append(undos, e)
		}
		return false, err
	})
	if err != nil || len(removals) == 0 {
		return err
	}
	ofThose, err := broughtBack(slices.Concat(removals, undos))
	if err != nil {
		return err
	}
	asked := slices.DeleteFunc(slices.Clone(r.o.Source.of), func(e *journal.Entry) bool { return e.ID < first.ID })
	for as, entries := range map[string][]*journal.Entry{"back": append(restores, ofThose...), "gone": removals, "asked": asked, "undone": undos} {
		for _, e := range entries {
			if err := r.noteRows(ctx, e, as); err != nil {
				return err
			}
		}
	}
	const pairs = "pg_temp.rowback_taken_back"
	if len(undos) > 0 {
		if err := r.pairUndos(ctx, pairs, undos); err != nil {
			return err
		}
	}
	for _, t := range r.tables {
		if t.again == "" {
			continue
		}
		if len(undos) > 0 {
			if err := r.cancel(ctx, t, t.again, pairs); err != nil {
				return err
			}
		}
		noted, keys := t.again, list("", t.key)
		t.again += "_out"
		err := r.production.exec(ctx, fmt.Sprintf(`
			CREATE TEMP TABLE %[1]s AS SELECT %[2]s, max(rowback_id COLLATE "C") FILTER (WHERE rowback_as = 'back') AS rowback_by, max(rowback_id COLLATE "C") FILTER (WHERE rowback_as = 'gone') AS rowback_gone,
				max(rowback_id COLLATE "C") FILTER (WHERE rowback_as = 'asked') AS rowback_asked FROM %[3]s GROUP BY %[2]s;
			DELETE FROM %[4]s WHERE (rowback_gone > rowback_by) IS NOT TRUE OR rowback_asked > rowback_gone`, local(t.again), keys, noted, t.again))
		if err != nil {
			return err
		}
		if err := r.indexOne(ctx, t.again, t.key); err != nil {
			return err
		}
	}
	return nil
}

// later are the entries that filters select and that are wanted, with keys of our tables.
func (r *restore) later(ctx context.Context, filters []journal.Filter, want func(*journal.Entry) (bool, error)) (out []*journal.Entry, err error) {
	for e, err := range r.onRecord(ctx, r.unnoted, filters...) {
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o *journal.Entry) bool { return o.ID == e.ID }) ||
			!slices.ContainsFunc(e.Tables, func(st journal.Table) bool { t, _ := r.keyedAs(&st); return t != nil }) {
			continue
		}
		wanted, err := want(e)
		if err != nil {
			return nil, err
		}
		if wanted {
			out = append(out, e)
		}
	}
	return out, nil
}

func (r *restore) unnoted(err error) {
	r.warn(fmt.Sprintf("rows that a later deletion has removed again may come back all the same: %v", err))
}

// keyedAs is which of our tables an entry's table has rows of, that came or went, and where
// in its keys the columns of ours are; nil: none.
func (r *restore) keyedAs(st *journal.Table) (*table, []int) {
	if !st.Removed() || st.Via == journal.SoftDelete {
		return nil, nil
	}
	t := r.tableOf(st)
	if t == nil {
		return nil, nil
	}
	at := r.keyIn(st, t)
	if at == nil {
		return nil, nil
	}
	return t, at
}

// noteRows notes which of the rows asked for e has: as "back", "gone", "asked" for, or "undone".
func (r *restore) noteRows(ctx context.Context, e *journal.Entry, as string) error {
	r.o.Progress.Start("reading "+e.ID, 0)
	pending, tables, places := make([]batch, len(e.Tables)), make([]*table, len(e.Tables)), make([][]int, len(e.Tables))
	for i := range e.Tables {
		tables[i], places[i] = r.keyedAs(&e.Tables[i])
	}
	flush := func(i int) error {
		b := &pending[i]
		if b.n == 0 {
			return nil
		}
		defer b.reset()
		t := tables[i]
		if t.again == "" {
			t.again = t.in + "_again"
			if err := r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s, NULL::text AS rowback_id, NULL::text AS rowback_as FROM %s WITH NO DATA", local(t.again), list("", t.key), t.in)); err != nil {
				return err
			}
		}
		var values []string
		for n, k := range positions("k", len(t.key)) {
			values = append(values, fmt.Sprintf("k.%s::%s AS %s", k, t.detail.columns[t.key[n]].bare, quote(t.key[n])))
		}
		err := r.production.exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT n.*, %s, '%s' FROM (SELECT %s FROM %s) n WHERE EXISTS (SELECT FROM %s s WHERE %s)",
			t.again, literal(e.ID), as, strings.Join(values, ", "), b.sql("k"), t.in, t.equal("n", "s")))
		if of := ofAnotherType(err); of != nil {
			r.unnoted(of)
			return nil
		}
		return err
	}
	for row, err := range r.rowsOf(ctx, e.ID, r.unnoted) {
		if err != nil {
			return err
		}
		at := places[row.Table]
		if at == nil {
			continue
		}
		values := make([]*string, len(at))
		for i, n := range at {
			values[i] = row.Values[n]
		}
		pending[row.Table].add(values)
		if pending[row.Table].full() {
			if err := flush(row.Table); err != nil {
				return err
			}
		}
	}
	for i := range pending {
		if err := flush(i); err != nil {
			return err
		}
	}
	return nil
}

// leaveRemoved takes the rows out that were brought back and removed again.
func (r *restore) leaveRemoved(ctx context.Context, t *table) error {
	if t.again == "" {
		return nil
	}
	return r.production.exec(ctx, fmt.Sprintf(`
		WITH d AS (DELETE FROM %[1]s s USING %[2]s n WHERE %[3]s RETURNING s.*, rowback_by, rowback_gone)
		INSERT INTO %[4]s (%[5]s, rowback_class, rowback_reason)
		SELECT %[5]s, '%[6]s', 'restored by ' || rowback_by || ' and removed again by ' || rowback_gone || '; name that one to bring it back' FROM d`,
		t.in, t.again, t.equal("n", "s"), t.left, list("", t.columns), classConflict))
}
