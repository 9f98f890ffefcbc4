package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// collectParents adds the parents that staged rows refer to and that are
// neither in production nor staged, then theirs, until none is found any more.
// Tables that join on the way pass the same checks as the requested ones.
func (r *restore) collectParents(ctx context.Context) error {
	r.o.Progress.Start("collecting parents", 0)
	for found := true; found; {
		found = false
		for i := 0; i < len(r.tables); i++ { // grows
			for _, ref := range r.tables[i].references() {
				n, err := r.collectParent(ctx, r.tables[i], ref)
				if err != nil {
					return err
				}
				found = found || n > 0
			}
		}
	}
	return nil
}

func (r *restore) collectParent(ctx context.Context, child *table, ref reference) (int64, error) {
	if !child.hasSome(ref.reads()) {
		return 0, nil
	}
	// Rows that are in production already need no parents of ours.
	sql := fmt.Sprintf("SELECT DISTINCT %s FROM %s c WHERE NOT EXISTS (SELECT FROM %s l WHERE %s) AND %s",
		texts("c", ref.Columns), child.in, only(child.live), child.is("l", "c"), ref.applies("c")+" AND "+r.orphaned(ref.values("c"), ref))
	if n, err := r.production.number(ctx, "SELECT count(*) FROM ("+sql+" LIMIT 1) x"); err != nil || n == 0 {
		return 0, err
	}
	parent, err := r.parentTable(ctx, ref.Parent)
	if err != nil {
		return 0, refuse(Unfit, fmt.Sprintf("parents of %s: %v", child.name(), err))
	}
	if !r.foundBy(parent, ref.ParentColumns) {
		return 0, nil
	}
	before, err := r.production.number(ctx, "SELECT count(*) FROM "+parent.in)
	if err != nil {
		return 0, err
	}
	// The list is kept by the server: the connection is needed between reads.
	if err := r.production.exec(ctx, "DECLARE rowback_parents CURSOR WITH HOLD FOR "+sql); err != nil {
		return 0, err
	}
	for {
		err = r.production.each(ctx, fmt.Sprintf("FETCH %d FROM rowback_parents", batchKeys), func(row []*string) error {
			parent.pending.add(row)
			return nil
		})
		if err != nil {
			return 0, err
		}
		if parent.pending.n == 0 {
			break
		}
		err = r.fetch(ctx, parent, ref.ParentColumns, lastFeed)
		parent.pending.reset()
		if err != nil {
			return 0, err
		}
	}
	if err := r.production.exec(ctx, "CLOSE rowback_parents"); err != nil {
		return 0, err
	}
	if err := r.dedupeTable(ctx, parent); err != nil {
		return 0, err
	}
	after, err := r.production.number(ctx, "SELECT count(*) FROM "+parent.in)
	added := after - before
	parent.count.Requested += added
	parent.count.Parents += added
	return added, err
}

// foundBy: the recovery database finds the rows of t that have values in these
// columns, which are generated, if at all, as in production.
func (r *restore) foundBy(t *table, columns []string) bool {
	return t.backup != nil && slices.Contains(t.knowing(columns), 0) && !slices.ContainsFunc(columns, func(c string) bool {
		live, backup := t.live.Column(c), t.backup.Column(t.was(c))
		return backup == nil || live.Generated && (!backup.Generated || t.detail.columns[c].defs != r.recovery.detail[t.backup.OID].columns[t.was(c)].defs)
	})
}

// parentTable is the work on a table that joins as a parent.
func (r *restore) parentTable(ctx context.Context, live *catalog.Table) (*table, error) {
	if t := r.byOID[live.Root().OID]; t != nil {
		return t, nil
	}
	t, err := r.table(ctx, live, nil, true)
	if err != nil {
		return nil, err
	}
	if err := r.checkAll(ctx, r.tables); err != nil {
		return nil, err
	}
	r.writes(t.live, t.references()...)
	t.unite(true)
	return t, r.makeStaging(ctx, t)
}

// orphaned is the condition that a row that ref applies to, and whose referring
// columns have these values, refers to a parent that is neither in production
// nor staged: two anti-joins.
func (r *restore) orphaned(values []string, ref reference) string {
	where := []string{only(ref.Parent)}
	if parent := r.staged(ref); parent != nil && !parent.done { // else those that came back are live by now
		where = append(where, parent.in)
	}
	return ref.lacks(values, where...)
}

// stayed is the condition that it refers to a staged parent that had to stay
// out, even if another live row took the value; false if none is staged. Apart
// from orphaned: joined by OR, neither would be a join to the planner.
func (r *restore) stayed(values []string, ref reference) string {
	parent := r.staged(ref)
	if parent == nil {
		return "false"
	}
	return fmt.Sprintf("EXISTS (SELECT FROM %s p WHERE %s AND p.rowback_class IN ('%s', '%s'))", parent.left, ref.refers("p", values), classConflict, classParent)
}

// staged is the parent table of ref, if it takes part; else nil.
func (r *restore) staged(ref reference) *table {
	if parent := r.byOID[ref.Parent.Root().OID]; parent != nil && parent.hasSome(ref.ParentColumns) {
		return parent
	}
	return nil
}

// allNotNull is the condition that none of the values is null.
func allNotNull(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v + " IS NOT NULL"
	}
	return strings.Join(out, " AND ")
}
