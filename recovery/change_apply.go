package recovery

import (
	"context"
	"fmt"
	"strings"
)

// apply makes the change that was judged; want is how many rows it is of. Where
// triggers are quiet it does what they would have: other writers are kept out
// where a deferrable constraint is to be checked again, and parents are locked.
func (r *restore) apply(ctx context.Context, c *change, want int64) error {
	for _, a := range c.arbiters {
		if r.replica && a.deferrable {
			if err := r.production.exec(ctx, "LOCK TABLE "+a.of(c.live)+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return err
			}
		}
	}
	if err := r.unreferred(ctx, c); err != nil {
		return err
	}
	n, err := r.production.change(ctx, fmt.Sprintf("UPDATE %s l SET %s FROM %s x WHERE %s AND %s AND %s",
		only(c.live), c.set(), c.staged, c.chosen, equal("l", c.key, "x", c.keys, c.same...), c.still))
	switch sqlState(err) {
	case "":
	case "23503", "23505", "23P01", "23514": // judged before: another session was there since
		return &errRace{what: c.what + ": " + err.Error()}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	if n != want {
		return &errRace{what: fmt.Sprintf("%s: %d rows were to be changed, %d were; another session changed the rows", c.what, want, n) + c.blame()}
	}
	c.done = n
	if !r.replica {
		return nil
	}
	refs := c.refs
	if c.known != nil {
		refs = append([]reference{{ForeignKey: c.known}}, refs...)
	}
	for _, ref := range refs {
		if ref.polymorphic() {
			continue
		}
		err = r.production.exec(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s p WHERE EXISTS (SELECT FROM %s WHERE %s AND %s) FOR KEY SHARE OF p) z",
			only(ref.Parent), c.rows("l", only(ref.Child)), ref.applies("l"), ref.refers("p", ref.values("l"))))
		if err != nil {
			return err
		}
	}
	return nil
}

// set is what the change sets.
func (c *change) set() string {
	set := make([]string, len(c.columns))
	for i, col := range c.columns {
		set[i] = quote(col) + " = " + c.values[i]
	}
	return strings.Join(set, ", ")
}

// rows is a FROM item: the changed rows of a table, and x, what they were asked for by.
func (c *change) rows(alias, table string) string {
	return fmt.Sprintf("%s %s JOIN %s x ON %s AND %s", table, alias, c.staged, c.chosen, equal(alias, c.key, "x", c.keys, c.same...))
}

// unreferred locks rows whose referred columns change, so that they get no more
// children, and proves that they have none.
func (r *restore) unreferred(ctx context.Context, c *change) error {
	if len(c.referring) == 0 {
		return nil
	}
	if err := r.production.exec(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s FOR UPDATE OF l) z", c.rows("l", only(c.live)))); err != nil {
		return err
	}
	for _, ref := range c.referring {
		changes := make([]string, 0, len(c.columns))
		for i, col := range c.columns {
			changes = append(changes, "NOT "+notDistinct("l."+quote(col), r.production.detail[c.live.OID].equal(col), c.values[i]))
		}
		n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE (%s) AND %s", c.rows("l", only(c.live)), strings.Join(changes, " OR "), ref.children("l")))
		if err != nil {
			return err
		}
		if n > 0 {
			return &errRace{what: fmt.Sprintf("%s: rows of %s refer to %d of the rows by now", c.what, display(ref.Child), n)}
		}
	}
	return nil
}

// verifyChanges proves of every changed row that its parents are there, and that
// the constraints hold whose re-check is a trigger, which may have been quiet.
func (r *restore) verifyChanges(ctx context.Context) (out []Check, err error) {
	for _, c := range r.changes {
		if c.done == 0 {
			continue
		}
		for _, ref := range c.refs {
			n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s AND %s",
				c.rows("l", only(ref.Child)), ref.applies("l"), ref.lacks(ref.values("l"), only(ref.Parent))))
			if err != nil {
				return out, err
			}
			if n > 0 {
				return out, &errRace{what: fmt.Sprintf("%s: %s: %d rows have no parent", c.what, ref.title(), n)}
			}
			out = append(out, Check{Name: ref.title() + ", changed rows: " + display(c.live), OK: true, Detail: fmt.Sprintf("every parent in %s is there", display(ref.Parent))})
		}
		for _, a := range c.arbiters {
			if !a.deferrable {
				continue
			}
			rows := a.values(a.of(c.live), "tableoid AS rowback_table, ctid AS rowback_at, "+list("", c.key))
			n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s JOIN %s b ON %s AND (l.rowback_table, l.rowback_at) <> (b.rowback_table, b.rowback_at)",
				c.rows("l", rows), rows, a.exclude("l", "b")))
			if err != nil {
				return out, err
			}
			if n > 0 {
				return out, &errRace{what: fmt.Sprintf("%s: constraint %s: %d conflicts with other rows", c.what, a.name, n)}
			}
			out = append(out, Check{Name: "constraint " + a.name + ", changed rows: " + display(c.live), OK: true, Detail: "no conflicts with other rows"})
		}
	}
	return out, nil
}
