package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// classify sorts every staged row. What is left in a table's staging is to be
// inserted; the rest is counted and, where it matters, kept with its reason.
// It runs inside the transaction and is undone with it.
func (r *restore) classify(ctx context.Context) (err error) {
	if r.back, err = r.restoredBefore(ctx); err != nil {
		return err
	}
	for _, t := range r.tables {
		t.count = Count{Schema: t.count.Schema, Table: t.count.Table, Requested: t.count.Requested, Parents: t.count.Parents}
		present := r.present
		if len(t.key) == 0 {
			present = r.presentKeyless
		}
		if err := present(ctx, t); err != nil {
			return err
		}
		if err := r.marked(ctx, t); err != nil {
			return err
		}
		if err := r.housed(ctx, t); err != nil {
			return err
		}
		for _, a := range t.detail.arbiters {
			if err := r.conflicts(ctx, t, a); err != nil {
				return err
			}
		}
	}
	if err := r.prune(ctx); err != nil {
		return err
	}
	r.changes = nil
	for i, l := range r.links {
		if err := r.classifyLink(ctx, l, r.links[:i]); err != nil {
			return err
		}
	}
	if err := r.judgeMarks(ctx); err != nil {
		return err
	}
	return r.tally(ctx)
}

// present takes out the rows whose key is in production.
func (r *restore) present(ctx context.Context, t *table) error {
	n, err := r.production.numbers(ctx, fmt.Sprintf(`
		WITH d AS (DELETE FROM %[1]s s USING %[2]s l WHERE %[3]s RETURNING s.*, %[4]s AS rowback_same, CASE WHEN NOT %[4]s THEN %[8]s END AS rowback_differs),
		     x AS (INSERT INTO %[5]s (%[6]s, rowback_class, rowback_reason)
		           SELECT %[6]s, '%[7]s', 'in production with other values in ' || rowback_differs || '; left as it is' FROM d WHERE NOT rowback_same)
		SELECT count(*) FROM d WHERE rowback_same`,
		t.in, only(t.live), equal("l", t.key, "s", t.key), t.same("l", "s"), t.left, list("", t.columns), classDifferent,
		t.differs("l", "s")))
	if err != nil {
		return err
	}
	t.count.AlreadyPresent = n[0]
	why := "in production again; the recovery database has no such row to compare it with"
	if r.recovery == nil {
		why = "in production again; without a recovery database there is no row to compare it with"
	}
	t.unknown, err = r.production.affect(ctx, fmt.Sprintf(`
		UPDATE %s x SET rowback_class = '%s', rowback_reason = %s
		FROM %s l WHERE x.rowback_class = '%s' AND %s`,
		t.left, classDifferent, literal(why), only(t.live), classMissing, equal("l", t.key, "x", t.key)))
	return err
}

// conflicts takes out the rows that another live row keeps out by a unique or
// exclusion constraint. Expressions and predicates are the index's own, over
// unqualified column names, so each is evaluated in a query over one table.
func (r *restore) conflicts(ctx context.Context, t *table, a arbiter) error {
	if a.plain && !a.overlaps && a.on(t.key) || !t.hasAll(a.columns) {
		return nil // what cannot be seen here is seen by ON CONFLICT and by the count after it
	}
	names := positions("u", len(a.expressions))
	var exprs, match []string
	for i, e := range a.expressions {
		exprs = append(exprs, fmt.Sprintf("%s AS %s", e, names[i]))
		cond := fmt.Sprintf("l.%s %s s.%s", names[i], a.operators[i], names[i])
		if a.nullsEqual {
			cond = fmt.Sprintf("l.%[1]s IS NOT DISTINCT FROM s.%[1]s", names[i])
		}
		match = append(match, cond)
	}
	where := ""
	if a.predicate != "" {
		where = " WHERE " + a.predicate
	}
	return r.production.exec(ctx, fmt.Sprintf(`
		WITH c AS (SELECT s.rowback_at FROM (SELECT ctid AS rowback_at, %[1]s FROM %[2]s%[3]s) s JOIN (SELECT %[1]s FROM %[4]s%[3]s) l ON %[5]s),
		     d AS (DELETE FROM %[2]s WHERE ctid IN (SELECT rowback_at FROM c) RETURNING *)
		INSERT INTO %[6]s (%[7]s, rowback_class, rowback_reason) SELECT %[7]s, '%[8]s', %[9]s FROM d`,
		strings.Join(exprs, ", "), t.in, where, only(t.live), strings.Join(match, " AND "),
		t.left, list("", t.columns), classConflict, literal("another live row holds its value in "+a.name)))
}

// prune takes out what hangs on parents that are gone or stay out, level by level.
func (r *restore) prune(ctx context.Context) error {
	type edge struct {
		child *table
		ref   reference
	}
	var all []*edge
	for _, t := range r.tables {
		for _, ref := range t.references() {
			if t.hasAll(ref.reads()) {
				all = append(all, &edge{t, ref})
			}
		}
	}
	todo := slices.Clone(all)
	for len(todo) > 0 {
		e := todo[0]
		todo = todo[1:]
		n := int64(0)
		for _, why := range []string{r.orphaned(e.ref.values("c"), e.ref), r.stayed(e.ref.values("c"), e.ref)} {
			out, err := r.production.affect(ctx, fmt.Sprintf(`
				WITH RECURSIVE %[1]s
				INSERT INTO %[2]s (%[3]s, rowback_class, rowback_reason) SELECT %[3]s, '%[4]s', %[5]s FROM d c`,
				e.child.prunes(e.ref, why), e.child.left, list("", e.child.columns), classParent, r.orphanReason(e.ref)))
			if err != nil {
				return err
			}
			n += out
		}
		if n == 0 {
			continue
		}
		for _, o := range all {
			if o.ref.Parent.Root() == e.child.live && !slices.Contains(todo, o) {
				todo = append(todo, o)
			}
		}
	}
	return nil
}

// prunes is the part d of a query: the rows that it takes out of staging. Of a table
// that refers to itself, what hangs on them goes at once: by levels, a chain of rows
// would take a pass over all of them each.
func (t *table) prunes(ref reference, why string) string {
	if ref.Parent.Root() != t.live || ref.within != "" || !t.hasAll(ref.ParentColumns) {
		return fmt.Sprintf("d AS (DELETE FROM %s c WHERE %s AND %s RETURNING *)", t.in, ref.applies("c"), why)
	}
	columns := list("c.", ref.ParentColumns)
	return fmt.Sprintf(`
		o AS (SELECT c.ctid AS rowback_at, %[2]s FROM %[1]s c WHERE %[3]s AND %[4]s
		      UNION SELECT c.ctid, %[2]s FROM o JOIN %[1]s c ON %[3]s AND %[5]s),
		d AS (DELETE FROM %[1]s WHERE ctid IN (SELECT rowback_at FROM o) RETURNING *)`,
		t.in, columns, ref.applies("c"), why, ref.refers("o", ref.values("c")))
}

func (r *restore) orphanReason(ref reference) string {
	hint := ""
	if !r.o.WithParents {
		hint = "; --with-parents brings it back if the recovery database has it"
	}
	return fmt.Sprintf("%s || %s || %s", literal("its parent "+display(ref.Parent)+" "),
		shown(ref.ParentColumns, "c", ref.Columns), literal(" is gone or stays out"+hint))
}

// tally counts what classify left.
func (r *restore) tally(ctx context.Context) error {
	for _, t := range r.tables {
		n, err := r.production.numbers(ctx, fmt.Sprintf(`
			SELECT (SELECT count(*) FROM %[1]s), (SELECT count(*) FROM %[1]s WHERE rowback_kind > 0), count(*) FILTER (WHERE rowback_class = '%[2]s' AND rowback_marked IS NULL), count(*) FILTER (WHERE rowback_class IN ('%[3]s', '%[8]s')),
			       count(*) FILTER (WHERE rowback_class = '%[4]s'), count(*) FILTER (WHERE rowback_class = '%[5]s'), count(*) FILTER (WHERE rowback_class = '%[6]s'), count(rowback_marked) FROM %[7]s`,
			t.in, classDifferent, classConflict, classMissing, classParent, classFiltered, t.left, classHeld))
		if err != nil {
			return err
		}
		t.count.Restored, t.count.FromImages, t.count.Different, t.count.Conflicts, t.count.Missing, t.count.ParentGone, t.count.Filtered, t.count.Unmarked = n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]
	}
	return nil
}

// unrestored lists every row that stays out.
func (r *restore) unrestored(ctx context.Context) ([]Unrestored, error) {
	out := slices.Clone(r.lost)
	for _, t := range r.tables {
		blind, err := r.blind(ctx, t)
		if err != nil {
			return nil, err
		}
		out = append(out, blind...)
		if t.count.Different+t.count.Conflicts+t.count.Missing+t.count.ParentGone == 0 {
			continue
		}
		if len(t.key) == 0 {
			rows, err := r.unrestoredKeyless(ctx, t)
			if err != nil {
				return nil, err
			}
			out = append(out, rows...)
			continue
		}
		err = r.production.each(ctx, fmt.Sprintf("SELECT %s, rowback_reason, rowback_class FROM %s x WHERE %s ORDER BY %s", texts("x", t.key), t.left, r.listedClasses(), list("x.", t.key)),
			func(row []*string) error {
				u, err := newUnrestored(t.live, t.key, row)
				if *row[len(t.key)+1] == classParent {
					u.group = "its parent is gone or stays out"
				}
				out = append(out, u)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	for _, l := range r.links {
		more, err := r.unlinked(ctx, l)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}
