package recovery

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An UPDATE that marks rows often sets other columns, too: a status, who did it, an
// address that is to be forgotten. They go back with the mark where the deletion was the
// last to write the row and all else in it is as in the recovery database, which then
// tells what they were.

// union adds what is not there yet.
func union(to, more []string) []string {
	for _, c := range more {
		if !slices.Contains(to, c) {
			to = append(to, c)
		}
	}
	return to
}

// limitSet leaves alone what is not known of every row, and what is a link that is given
// back by itself.
func (r *restore) limitSet(t *table) {
	m := t.mark
	m.set = slices.DeleteFunc(m.set, func(c string) bool {
		return slices.Contains(m.columns, c) || !slices.Contains(t.always, c) ||
			slices.ContainsFunc(r.links, func(l *link) bool { return l.live == t.live && slices.Contains(l.old, c) })
	})
	for i, set := range m.sets {
		m.sets[i] = slices.DeleteFunc(set, func(c string) bool { return !slices.Contains(m.set, c) })
	}
}

// all are the columns to be set back.
func (m *mark) all() []string { return slices.Concat(m.columns, m.set) }

// setBy is the condition that the soft delete m set column c besides the mark.
func (m *mark) setBy(alias, c string) string {
	feeds := []string{"NULL"}
	for i, set := range m.sets {
		if slices.Contains(set, c) {
			feeds = append(feeds, strconv.Itoa(i))
		}
	}
	return fmt.Sprintf("%s.rowback_feed IN (%s)", alias, strings.Join(feeds, ", "))
}

// keepSet has the rows that are to be set back, but had changed since the recovery
// database's state, keep the other columns, and notes those that the deletion set.
func (r *restore) keepSet(ctx context.Context, t *table) error {
	if len(t.mark.set) == 0 {
		return nil
	}
	feeds := map[string][]string{} // that set the same columns
	of := map[string][]string{}
	for i, set := range t.mark.sets {
		name := list("", set)
		of[name], feeds[name] = set, append(feeds[name], strconv.Itoa(i))
	}
	keep := make([]string, len(t.mark.set))
	for i, c := range t.mark.set {
		keep[i] = fmt.Sprintf("%s = l.%[1]s", quote(c))
	}
	by := func(in string, feeds []string) string {
		return fmt.Sprintf("EXISTS (SELECT FROM %s m WHERE m.rowback_feed %s (%s) AND %s AND %s)", t.mark.staged, in, strings.Join(feeds, ", "), t.wrote("m", "l"), t.equal("m", "l"))
	}
	// Those that a soft delete of the row set, whoever wrote it last, are not left alone unsaid.
	noted := func(c string) string {
		return fmt.Sprintf("EXISTS (SELECT FROM %s m WHERE %s AND %s)", t.mark.staged, t.mark.setBy("m", c), t.equal("m", "l"))
	}
	differ := func(c string) string { return "NOT " + sameImage("l", "x", []string{c}) }
	set := namesWhere(t.mark.set, func(c string) string { return differ(c) + " AND " + noted(c) })
	write := func(rest []string, where string) error {
		why := fmt.Sprintf("'soft delete set back, but not what its UPDATE set in ' || CASE WHEN x.rowback_feed IS NULL THEN nullif(%s, '') || ': ' || coalesce(nullif(%s, '') || %s, 'several UPDATEs set other columns each') ELSE nullif(%s, '') || ': the recovery database has no such row' END",
			set, namesWhere(rest, func(c string) string { return differ(c) + " AND NOT " + noted(c) }), literal(t.changedToo()), namesWhere(t.mark.set, noted))
		return r.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET %s, rowback_reason = %s FROM %s l WHERE x.rowback_marked AND %s AND %s",
			t.left, strings.Join(keep, ", "), why, only(t.live), t.equal("l", "x"), where))
	}
	var mixed []string // written by several UPDATEs of one transaction, which set different columns
	for name, set := range of {
		rest := slices.DeleteFunc(slices.Clone(t.always), func(c string) bool { return slices.Contains(t.mark.columns, c) || slices.Contains(set, c) })
		where := fmt.Sprintf("NOT (x.rowback_feed IS NULL AND %s) AND %s", sameImage("l", "x", rest), by("IN", feeds[name]))
		if len(of) > 1 {
			mixed = append(mixed, by("IN", feeds[name])+" AND "+by("NOT IN", feeds[name]))
			where += " AND NOT " + by("NOT IN", feeds[name])
		}
		if err := write(rest, where); err != nil {
			return err
		}
	}
	if len(mixed) == 0 {
		return nil
	}
	return write(nil, "("+strings.Join(mixed, " OR ")+")")
}

// changedToo says, after the names of columns that no UPDATE on record set, why the others stay.
func (t *table) changedToo() string {
	var fired []string
	for _, g := range t.live.Triggers {
		if before, events, _ := strings.Cut(g.Event, " "); before == "BEFORE" && strings.Contains(events, "UPDATE") && g.Enabled != 'D' {
			fired = append(fired, g.Name)
		}
	}
	by := ""
	if len(fired) > 0 {
		by = ", or a trigger of that UPDATE set this: " + strings.Join(fired, ", ")
	}
	return " is not as in the recovery database, so that the others may have changed before, too" + by
}

// noteHalf notes of images of a kind what soft deletes of their rows had set besides the marks,
// where the recovery database has it otherwise.
func (r *restore) noteHalf(ctx context.Context, t *table, kind int) error {
	set := slices.DeleteFunc(slices.Clone(t.mark.set), func(c string) bool { return !slices.Contains(t.kinds[kind], c) })
	if len(set) == 0 {
		return nil
	}
	half := namesWhere(set, func(c string) string {
		return "NOT " + sameImage("s", "b", []string{c}) + " AND " + t.mark.setBy("m", c)
	})
	return r.production.exec(ctx, fmt.Sprintf("ANALYZE %[1]s; UPDATE %[2]s m SET rowback_half = nullif(%[3]s, '') FROM %[1]s s JOIN %[1]s b ON b.rowback_kind = 0 AND %[4]s WHERE s.rowback_kind = %[5]d AND %[6]s",
		t.in, t.mark.staged, half, t.equal("b", "s"), kind, t.equal("s", "m")))
}

// halfBack lists the rows of which keepSet notes that other columns stay.
func (r *restore) halfBack(ctx context.Context, t *table) (out []Unrestored, err error) {
	if !t.mark.settable() || len(t.mark.set) == 0 {
		return nil, nil
	}
	err = r.production.each(ctx, fmt.Sprintf("SELECT %s, rowback_reason FROM %s x WHERE rowback_marked AND rowback_reason IS NOT NULL ORDER BY %s", texts("x", t.key), t.left, list("x.", t.key)), func(row []*string) error {
		u, err := newUnrestored(t.live, t.key, row)
		out = append(out, u)
		return err
	})
	return out, err
}
