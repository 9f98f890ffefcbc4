package recovery

import (
	"context"
	"fmt"
)

// sortMarks keeps of a row's other marks the last one on each side of the first of those
// that are to be set back (rowback_since; NULL where none is), and notes the last one of
// all (rowback_last). Those that a restore has set back since count only where none came after it.
func (r *restore) sortMarks(ctx context.Context, t *table) error {
	o := t.others
	if o.unkeyed.n > 0 {
		o.xmins = o.staged + "_xmin"
		if err := r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT k01 AS id, k02 AS rowback_xmin FROM %s; ANALYZE %[1]s", local(o.xmins), o.unkeyed.sql("k"))); err != nil {
			return err
		}
		o.unkeyed.reset()
	}
	since, first := "NULL::bool", ""
	if t.mark != nil {
		since = "n.rowback_id > m.rowback_first"
		first = fmt.Sprintf(` LEFT JOIN (SELECT %s, coalesce(min(s.rowback_id) FILTER (WHERE s.rowback_id > b.rowback_id), min(s.rowback_id)) AS rowback_first
			FROM %s s LEFT JOIN (SELECT %s, max(rowback_id) AS rowback_id FROM %s WHERE NOT rowback_set GROUP BY %[3]s) b ON %[5]s GROUP BY %[1]s) m ON %[6]s`,
			list("s.", t.key), t.mark.staged, list("", t.key), o.staged, t.equal("b", "s"), t.equal("m", "n"))
	}
	all := o.staged
	o.staged += "_last"
	err := r.production.exec(ctx, fmt.Sprintf(`
		CREATE TEMP TABLE %[1]s AS SELECT DISTINCT ON (%[2]s, rowback_since) *, rowback_id = max(rowback_id) OVER (PARTITION BY %[2]s) AS rowback_last
		FROM (SELECT n.*, %[3]s AS rowback_since FROM %[4]s n%[5]s) n ORDER BY %[2]s, rowback_since, rowback_id DESC; DROP TABLE %[4]s`,
		local(o.staged), list("", t.key), since, all, first))
	if err != nil {
		return err
	}
	return r.indexOne(ctx, o.staged, t.key)
}

// holdMarks holds rows back that another soft delete, which stays, had marked before, or
// has again since. Where the recovery database's row is marked, that one was before it.
func (r *restore) holdMarks(ctx context.Context, t *table) error {
	o := t.others
	if o == nil {
		return nil
	}
	hold := func(id, why, on, where string) error {
		return r.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET rowback_class = '%s', rowback_reason = 'soft delete not set back: ' || n.%s || %s FROM %s l JOIN %s WHERE x.rowback_class = '%s' AND %s AND NOT %s AND %s",
			t.left, classHeld, id, literal(why), only(t.live), on, classDifferent, t.equal("l", "x"), sameImage("l", "x", t.mark.columns), where))
	}
	const again = " has soft-deleted the row again since"
	if err := hold("rowback_id", again, fmt.Sprintf("%s n ON n.rowback_set AND n.rowback_since AND %s", o.staged, t.equal("n", "l")), "true"); err != nil {
		return err
	}
	if err := hold("rowback_id", " had soft-deleted the row before; restore that one, too, to have it back", fmt.Sprintf("%s n ON n.rowback_set AND NOT n.rowback_since AND %s", o.staged, t.equal("n", "l")), "NOT "+t.marks("x", t.mark.columns)); err != nil {
		return err
	}
	if o.xmins == "" {
		return nil
	}
	return hold("id", again, o.xmins+" n ON n.rowback_xmin = l.xmin::text", fmt.Sprintf("EXISTS (SELECT FROM %s m WHERE %s)", t.mark.staged, t.equal("m", "l")))
}

// alive lists the rows that come back without the mark that they had when they were removed:
// where an image tells, they had none.
func (r *restore) alive(ctx context.Context, t *table) (out []Unrestored, err error) {
	if t.others == nil {
		return nil, nil
	}
	var untold []int // kinds of rows that have the marks from the recovery database
	for _, k := range t.used {
		if k == 0 || lacks(t.kinds[k], t.others.columns) {
			untold = append(untold, k)
		}
	}
	from := "false"
	if len(untold) > 0 {
		from = t.ofKinds(untold)
	}
	if t.mark != nil {
		from += fmt.Sprintf(" OR EXISTS (SELECT FROM %s m WHERE %s)", t.mark.staged, t.equal("m", "s"))
	}
	err = r.production.each(ctx, fmt.Sprintf("SELECT %s, n.rowback_id || %s FROM %s s JOIN %s n ON n.rowback_set AND n.rowback_last AND %s WHERE (%s) AND NOT %s ORDER BY %s", texts("s", t.key),
		literal(" had soft-deleted the row before it was removed; it comes back without the mark, as the recovery database has it"),
		t.in, t.others.staged, t.equal("n", "s"), from, t.marks("s", t.others.columns), list("s.", t.key)), func(row []*string) error {
		u, err := newUnrestored(t.live, t.key, row)
		out = append(out, u)
		return err
	})
	return out, err
}
