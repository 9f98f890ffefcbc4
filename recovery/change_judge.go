package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// judge finds, among the rows that c is to change, those that production would
// not take, and holds them back. It must be called in the order in which the
// changes are made: each sees what those before it leave.
func (r *restore) judge(ctx context.Context, c *change) error {
	c.asks, c.done = r.asked(c), 0
	c.same = r.production.detail[c.live.OID].equals(c.key)
	r.changes = append(r.changes, c)
	c.turn = len(r.changes)
	if n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s x WHERE %s LIMIT 1) y", c.staged, c.chosen)); err != nil || n == 0 {
		return err
	}
	for i, col := range c.columns {
		if !c.live.Column(col).NotNull {
			continue
		}
		why := literal("its column " + col + " takes no NULL")
		err := r.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET %s WHERE %s AND (%s) IS NULL", c.staged, c.hold(why), c.chosen, c.values[i]))
		if err != nil {
			return err
		}
	}
	if c.nothing() {
		return nil
	}
	if err := r.project(ctx, c); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *change) error{r.objectRows, r.objectReferences, r.objectArbiters} {
		if err := step(ctx, c); err != nil {
			return err
		}
	}
	return r.production.exec(ctx, fmt.Sprintf(`
		UPDATE %[1]s x SET %[2]s FROM %[3]s c WHERE c.rowback_turn = %[4]d AND c.rowback_why IS NOT NULL AND %[5]s AND %[6]s;
		DELETE FROM %[3]s WHERE rowback_turn = %[4]d AND rowback_why IS NOT NULL;
		DELETE FROM %[3]s o USING %[3]s c WHERE c.rowback_turn = %[4]d AND o.rowback_turn < %[4]d AND %[7]s`,
		c.staged, c.hold("c.rowback_why"), c.after(), c.turn, equal("c", c.key, "x", c.keys, c.same...), c.chosen, equal("o", c.key, "c", c.key, c.same...)))
}

// after is a temporary table: the rows of c's table as they will be once this
// change and those before it are made, with the change's turn, and why the change
// cannot be made. It has the table's columns, and generates those that rules read: what
// makes the others may not work under our search_path.
func (c *change) after() string { return fmt.Sprintf("pg_temp.rowback_after_%d", c.live.OID) }

// project writes the rows of c as they are to become.
func (r *restore) project(ctx context.Context, c *change) error {
	var earlier []string // columns that changes before this one set
	for _, o := range r.changes[:c.turn-1] {
		if o.live == c.live && !o.nothing() {
			earlier = append(earlier, o.columns...)
		}
	}
	exists, err := r.production.number(ctx, "SELECT (to_regclass("+literal(c.after())+") IS NOT NULL)::int")
	if err != nil {
		return err
	}
	sql := ""
	if exists == 0 {
		read := r.read(c)
		sql = fmt.Sprintf("CREATE TEMP TABLE %s (LIKE %s INCLUDING GENERATED) ON COMMIT DROP; ALTER TABLE %s ADD rowback_turn int4, ADD rowback_why text",
			local(c.after()), c.live.QuotedName(), c.after())
		for _, col := range c.live.Columns {
			switch {
			case col.Generated && !slices.Contains(read, col.Name) && !slices.Contains(read, ""):
				sql += ", DROP " + quote(col.Name)
			case col.NotNull:
				sql += fmt.Sprintf(", ALTER %s DROP NOT NULL", quote(col.Name))
			}
		}
		sql += "; "
		earlier = nil
	}
	base, columns := c.base, r.watched(c)
	if base == "" {
		base = only(c.live)
	} else { // staged: what is not known of it is NULL
		t := r.byOID[c.live.OID]
		columns = slices.DeleteFunc(columns, func(col string) bool { return !slices.Contains(t.columns, col) })
	}
	values := make([]string, len(columns))
	for i, col := range columns {
		switch at := slices.Index(c.columns, col); {
		case at >= 0:
			values[i] = c.values[at]
		case slices.Contains(earlier, col):
			values[i] = fmt.Sprintf("CASE WHEN f.rowback_turn IS NULL THEN l.%[1]s ELSE f.%[1]s END", quote(col))
		default:
			values[i] = "l." + quote(col)
		}
	}
	join := ""
	if len(earlier) > 0 {
		join = fmt.Sprintf(" LEFT JOIN %s f ON %s", c.after(), equal("f", c.key, "l", c.key, c.same...))
	}
	return r.production.exec(ctx, fmt.Sprintf("%sINSERT INTO %s (%s, rowback_turn) SELECT %s, %d FROM %s l JOIN %s x ON %s%s WHERE %s; ANALYZE %[2]s",
		sql, c.after(), list("", columns), strings.Join(values, ", "), c.turn, base, c.staged, equal("l", c.key, "x", c.keys, c.same...), join, c.chosen))
}

// object says why, an SQL expression, of the rows c for which the condition holds.
func (r *restore) object(ctx context.Context, c *change, why, condition string) error {
	return r.production.exec(ctx, fmt.Sprintf("UPDATE %s c SET rowback_why = %s WHERE c.rowback_turn = %d AND c.rowback_why IS NULL AND (%s)",
		c.after(), why, c.turn, condition))
}

// objectRows is about what a row must be in itself.
func (r *restore) objectRows(ctx context.Context, c *change) error {
	for _, k := range c.checks {
		err := r.asking(ctx, func() error {
			return r.object(ctx, c, literal("it would break its CHECK constraint "+k.name), "("+k.expression+") IS FALSE")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// objectReferences is about foreign keys, of the rows and to them.
func (r *restore) objectReferences(ctx context.Context, c *change) error {
	for _, ref := range c.refs {
		why := fmt.Sprintf("%s || %s || ' is not there'", literal("its parent "+display(ref.Parent)+" "), shown(ref.ParentColumns, "c", ref.Columns))
		for _, gone := range c.gone(ref.values("c"), ref) {
			if err := r.object(ctx, c, why, ref.applies("c")+" AND "+gone); err != nil {
				return err
			}
		}
		if ref.MatchFull && len(ref.Columns) > 1 {
			err := r.object(ctx, c, literal("its "+ref.title()+" would be NULL in part"), fmt.Sprintf("num_nulls(%s) NOT IN (0, %d)", list("c.", ref.Columns), len(ref.Columns)))
			if err != nil {
				return err
			}
		}
	}
	for _, ref := range c.referring {
		leaves := fmt.Sprintf("EXISTS (SELECT FROM %s l WHERE %s AND ROW(%s)::record OPERATOR(pg_catalog.<>) ROW(%s)::record AND %s)",
			only(c.live), equal("l", c.key, "c", c.key, c.same...), list("l.", ref.ParentColumns), list("c.", ref.ParentColumns), ref.children("l"))
		if err := r.object(ctx, c, literal("rows of "+display(ref.Child)+" refer to what it holds now"), leaves); err != nil {
			return err
		}
	}
	return nil
}

// children is the condition that rows refer to the row of alias p.
func (r reference) children(p string) string {
	return fmt.Sprintf("EXISTS (SELECT FROM %s k WHERE %s AND %s)", only(r.Child), r.applies("k"), r.refers(p, r.values("k")))
}

// objectArbiters is about other rows: those in production, those that earlier
// changes make of some, those that are to be inserted, and those of this change,
// of which the first stays.
func (r *restore) objectArbiters(ctx context.Context, c *change) error {
	var keys, mine []string
	for i, k := range positions("rowback_k", len(c.key)) {
		keys, mine = append(keys, quote(c.key[i])+" AS "+k), append(mine, k)
	}
	key := strings.Join(keys, ", ")
	other := fmt.Sprintf("ROW(%s)::record OPERATOR(pg_catalog.<>) ROW(%s)::record", list("o.", mine), list("s.", mine))
	for _, a := range c.arbiters {
		from := []string{
			a.values(a.of(c.live), key) + " o ON " + other,
			a.values(c.after(), "ctid AS rowback_at, rowback_turn, "+key, "rowback_why IS NULL") + fmt.Sprintf(" o ON %s AND (o.rowback_turn < %d OR o.rowback_at < s.rowback_at)", other, c.turn),
		}
		if t := r.byOID[c.live.OID]; t != nil && !t.done && t.hasAll(slices.Concat(c.key, a.columns)) {
			from = append(from, a.values(t.in, key)+" o ON "+other)
		}
		for _, o := range from {
			rows := a.values(c.after(), "ctid AS rowback_at, "+key, fmt.Sprintf("rowback_turn = %d AND rowback_why IS NULL", c.turn))
			err := r.object(ctx, c, literal("another row holds its value in "+a.name), fmt.Sprintf("c.ctid IN (SELECT s.rowback_at FROM %s s JOIN %s AND %s)", rows, o, a.exclude("o", "s")))
			if err != nil {
				return err
			}
		}
	}
	return nil
}
