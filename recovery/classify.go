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
		if err := r.linkAsLive(ctx, t); err != nil {
			return err
		}
		present := r.present
		if len(t.key) == 0 {
			present = r.presentKeyless
		}
		if err := present(ctx, t); err != nil {
			return err
		}
		if err := r.leaveRemoved(ctx, t); err != nil {
			return err
		}
		if err := r.marked(ctx, t); err != nil {
			return err
		}
		if err := r.housed(ctx, t); err != nil {
			return err
		}
		if err := r.arbitrate(ctx, t); err != nil {
			return err
		}
	}
	if err := r.linkRows(ctx); err != nil {
		return err
	}
	r.rounds, r.cutAgain = 0, true
	for ; r.cutAgain; r.rounds++ { // rows without their links may be in conflict with others
		r.cutAgain = false
		if err := r.keepOutAll(ctx); err != nil {
			return err
		}
	}
	r.changes = nil
	if err := r.judgeMarks(ctx); err != nil {
		return err
	}
	for _, l := range r.links {
		if err := r.classifyLink(ctx, l); err != nil {
			return err
		}
	}
	return r.tally(ctx)
}

// keepOutAll takes out the rows that others, or parents that are not there, keep out.
func (r *restore) keepOutAll(ctx context.Context) error {
	for _, t := range r.tables {
		for _, a := range t.arbiters {
			if err := r.conflicts(ctx, t, a); err != nil {
				return err
			}
		}
	}
	return r.rivals(ctx)
}

// present takes out the rows whose key is in production.
func (r *restore) present(ctx context.Context, t *table) error {
	n, err := r.production.numbers(ctx, fmt.Sprintf(`
		WITH d AS (DELETE FROM %[1]s s USING %[2]s l WHERE %[3]s RETURNING s.*, %[4]s AS rowback_same, CASE WHEN NOT %[4]s THEN %[8]s END AS rowback_differs),
		     x AS (INSERT INTO %[5]s (%[6]s, rowback_class, rowback_reason)
		           SELECT %[6]s, '%[7]s', 'in production with other values in ' || rowback_differs || '; left as it is' FROM d WHERE NOT rowback_same)
		SELECT count(*) FROM d WHERE rowback_same`,
		t.in, only(t.live), t.equal("l", "s"), t.same("l", "s"), t.left, list("", t.columns), classDifferent,
		t.differs("l", "s")))
	if err != nil {
		return err
	}
	t.count.AlreadyPresent = n[0]
	why := "in production again; the recovery database has no such row to compare it with"
	if r.recovery == nil {
		why = "in production again; without a recovery database there is no row to compare it with"
	}
	t.unknown, err = r.production.number(ctx, fmt.Sprintf(`
		WITH d AS (UPDATE %[1]s x SET rowback_class = '%[2]s', rowback_reason = CASE WHEN %[3]s THEN %[4]s ELSE %[5]s END
		           FROM %[6]s l WHERE x.rowback_class = '%[7]s' AND %[8]s RETURNING %[3]s AS soft)
		SELECT count(*) FROM d WHERE NOT soft`,
		t.left, classDifferent, t.newer("x"), literal(unmarkable), literal(why), only(t.live), classMissing, t.equal("l", "x")))
	return err
}

// conflicts takes out the rows that another live row keeps out by a unique or
// exclusion constraint, and notes which.
func (r *restore) conflicts(ctx context.Context, t *table, a arbiter) error {
	which := "''"
	if len(t.key) > 0 {
		which = "': ' || " + shown(t.key, "", t.key)
	}
	return r.production.exec(ctx, fmt.Sprintf(`
		WITH f AS MATERIALIZED (SELECT s.rowback_at, min(l.rowback_live) AS rowback_live FROM %s s JOIN %s l ON %s GROUP BY 1),
		     d AS (DELETE FROM %[4]s s USING f WHERE s.ctid = f.rowback_at RETURNING s.*, f.rowback_live)
		INSERT INTO %[5]s (%[6]s, rowback_class, rowback_reason) SELECT %[6]s, '%[7]s', %[8]s || rowback_live FROM d`,
		t.staged(a), a.values(a.of(t.live), which+" AS rowback_live"), a.exclude("l", "s"), t.in, t.left, list("", t.columns), classConflict, literal(heldBy+a.name)))
}

// heldBy stands before the constraint, behind which the live row's key follows.
const heldBy = "another live row holds its value in "

// heldAlike is what the rows have in common that live rows keep out as this reason says,
// for people; "" if it is another reason.
func (t *table) heldAlike(reason string) string {
	reason, held := strings.CutPrefix(reason, heldBy)
	if !held {
		return ""
	}
	for _, a := range t.detail.arbiters {
		if !strings.HasPrefix(reason, a.name+": ") {
			continue
		}
		if a.plain && !slices.Contains(t.key, a.columns[0]) {
			return fmt.Sprintf("%s%s; to give them another, in the configuration: restore: {tables: {%s: {columns: {%s: SQL}}}}", heldBy, a.name, t.name(), t.source(a.columns[0]))
		}
		return heldBy + a.name
	}
	return ""
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
			if t.hasSome(ref.reads()) {
				all = append(all, &edge{t, ref})
			}
		}
	}
	todo := slices.Clone(all)
	for len(todo) > 0 {
		e := todo[0]
		todo = todo[1:]
		gone := []string{r.orphaned(e.ref.values("c"), e.ref), r.stayed(e.ref.values("c"), e.ref)}
		unlinked, err := r.unlinkRows(ctx, e.child, e.ref, gone...)
		if err != nil {
			return err
		}
		n := int64(0)
		for _, why := range gone {
			out, err := r.production.affect(ctx, fmt.Sprintf(`
				WITH RECURSIVE %[1]s
				INSERT INTO %[2]s (%[3]s, rowback_class, rowback_reason) SELECT %[3]s, '%[4]s', %[5]s FROM d c`,
				r.prunes(e.child, e.ref, why), e.child.left, list("", e.child.columns), classParent, r.orphanReason(e.ref)))
			if err != nil {
				return err
			}
			n += out
		}
		r.cutAgain = r.cutAgain || unlinked > 0
		for _, o := range all {
			if (n > 0 && o.ref.Parent.Root() == e.child.live || unlinked > 0 && o.child == e.child && o != e) && !slices.Contains(todo, o) {
				todo = append(todo, o)
			}
		}
	}
	return nil
}

// prunes is the part d of a query: the rows that it takes out of staging. Of a table
// that refers to itself, what hangs on them goes at once: by levels, a chain of rows
// would take a pass over all of them each. Rows are told apart by their place, as text:
// not every type that a key may have can be hashed.
// Who hangs on them by a link that it was given loses that link first.
func (r *restore) prunes(t *table, ref reference, why string) string {
	applies := ref.applies("c")
	for _, l := range r.linksAlong(t, ref) {
		applies += fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s x WHERE %s)", l.staged, l.given("c", "x"))
	}
	if ref.Parent.Root() != t.live || ref.within != "" || !t.hasAll(ref.ParentColumns) {
		return fmt.Sprintf("d AS (DELETE FROM %s c WHERE %s AND %s RETURNING *)", t.in, applies, why)
	}
	return fmt.Sprintf(`
		o AS (SELECT c.ctid::text AS rowback_at FROM %[1]s c WHERE %[2]s AND %[3]s
		      UNION SELECT c.ctid::text FROM o JOIN %[1]s p ON p.ctid = rowback_at::tid JOIN %[1]s c ON %[2]s AND %[4]s),
		d AS (DELETE FROM %[1]s WHERE ctid IN (SELECT rowback_at::tid FROM o) RETURNING *)`,
		t.in, applies, why, ref.refers("p", ref.values("c")))
}

const parentsHint = "; --with-parents brings it back if the recovery database has it"

// orphanReason says why the row c stays out. A parent that was asked for, too, and stays
// out is not to be had by asking for it again, unless its own parent is.
func (r *restore) orphanReason(ref reference) string {
	its, gone := literal("its parent "+display(ref.Parent)+" ")+" || "+shown(ref.ParentColumns, "c", ref.Columns), " is gone or stays out"
	if r.o.WithParents {
		return its + " || " + literal(gone)
	}
	parent := r.staged(ref)
	if parent == nil {
		return its + " || " + literal(gone+parentsHint)
	}
	out := fmt.Sprintf("EXISTS (SELECT FROM %s p WHERE %s AND (p.rowback_class IN ('%s', '%s') OR p.rowback_class = '%s' AND p.rowback_reason NOT LIKE %s))",
		parent.left, ref.refers("p", ref.values("c")), classConflict, classMissing, classParent, literal("%"+parentsHint))
	if parent.live == ref.Child.Root() { // its parent goes with it
		out += fmt.Sprintf(" OR EXISTS (SELECT FROM %s p WHERE %s)", parent.in, ref.refers("p", ref.values("c")))
	}
	return fmt.Sprintf("%s || CASE WHEN %s THEN ' stays out, too' ELSE %s END", its, out, literal(gone+parentsHint))
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
		alive, err := r.alive(ctx, t)
		if err != nil {
			return nil, err
		}
		half, err := r.halfBack(ctx, t)
		if err != nil {
			return nil, err
		}
		out = slices.Concat(out, blind, alive, half)
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
				} else {
					u.group = t.heldAlike(*row[len(t.key)])
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
