package recovery

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// unlinkStaged makes rows that the recovery database has as the deletions left them
// that cut their links and are restored, too: there a link may be of any time. What
// they were is on record. So it is with images of before the cut. Where the link is the mark
// of a soft delete the rows are made what they were before both.
func (r *restore) unlinkStaged(ctx context.Context) error {
	for _, l := range slices.Backward(r.links) {
		t := r.byOID[l.live.OID]
		if t == nil || l.unknown != "" || !t.hasAll(l.key) {
			continue
		}
		rows := r.ofAnyTime(l, t)
		if rows == "" {
			continue
		}
		before, after := r.ofMark(l, "x")
		for set, which := range map[string]string{
			l.unset(t.detail):       "NOT (" + before + ") AND NOT (" + after + ")",
			l.changeOf(r, "").set(): after,
		} {
			if which == "false" {
				continue
			}
			err := r.production.exec(ctx, fmt.Sprintf("UPDATE %s s SET %s FROM %s x WHERE (%s) AND %s AND %s", t.in, set, l.staged, rows, l.equal("s", "x"), which))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ofAnyTime is the condition that staged row s of t is not known to be of after the cut, nor
// without the link; "": no row is so.
func (r *restore) ofAnyTime(l *link, t *table) string {
	var rows, feeds []string
	if slices.Contains(t.used, 0) && !lacks(t.kinds[0], l.old) {
		rows = append(rows, "s.rowback_kind = 0")
	}
	for _, f := range t.images {
		if l.of != nil && r.o.Source.of[f.n].ID < l.of.ID {
			feeds = append(feeds, strconv.Itoa(f.n))
		}
	}
	if known := l.knownOf(t); len(feeds) > 0 && known != "false" {
		rows = append(rows, fmt.Sprintf("s.rowback_kind > 0 AND s.rowback_feed IN (%s) AND %s", strings.Join(feeds, ", "), known))
	}
	return strings.Join(rows, " OR ")
}

// linksOf are the links that rows of t, which are yet to be inserted, may get, newest first.
func (r *restore) linksOf(t *table) (out []*link) {
	for _, l := range slices.Concat(r.links, r.waiting) {
		if l.live == t.live && !t.done && l.unknown == "" && t.hasAll(l.key) && l.knownOf(t) != "false" {
			out = append(out, l)
		}
	}
	return out
}

// linkAsLive gives rows that are in production already, with their links, these
// before the two are compared.
func (r *restore) linkAsLive(ctx context.Context, t *table) error {
	for _, l := range r.linksOf(t) {
		c := l.changeOf(r, "")
		err := r.production.exec(ctx, fmt.Sprintf("UPDATE %s s SET %s FROM %s x JOIN %s l ON %s AND %s WHERE %s AND %s AND %s AND x.rowback_again IS NULL",
			t.in, c.set(), l.staged, only(l.live), l.equal("l", "x"), l.isWhole("l", "x"), l.equal("s", "x"), l.knownOf(t), l.stillCut("s", "x", t.detail)))
		if err != nil {
			return err
		}
	}
	return nil
}

// linkRows gives the rows that are to be inserted the links that were cut before they
// were removed: they are in conflict, and hang on parents, as they will be. A link that
// a row cannot have does not keep it away: classifyLink lists it.
func (r *restore) linkRows(ctx context.Context) error {
	r.changes = nil
	for _, t := range r.tables {
		for _, l := range r.linksOf(t) {
			n, err := r.production.affect(ctx, fmt.Sprintf(`
				UPDATE %s x SET rowback_class = '%s' FROM %s s
				WHERE %s AND %s AND %s AND x.rowback_again IS NULL AND NOT %s AND NOT (%s)`,
				l.staged, linkStaged, t.in, l.equal("s", "x"), l.knownOf(t), l.stillCut("s", "x", t.detail), l.repointed("x"), r.alone(l, "x", "s")))
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if err := r.linkStaged(ctx, l, linkGiven); err != nil {
				return err
			}
		}
	}
	for _, c := range r.changes { // the changes of rows that stay are judged by themselves
		if err := r.production.exec(ctx, "DROP TABLE IF EXISTS "+c.after()); err != nil {
			return err
		}
	}
	r.changes = nil
	return nil
}

// linkStaged gives staged rows the links of class linkStaged, but for those that they
// cannot have, and makes these class.
func (r *restore) linkStaged(ctx context.Context, l *link, class string) error {
	t := r.byOID[l.live.OID]
	if t == nil || t.done || l.unknown != "" || l.knownOf(t) == "false" {
		return nil
	}
	c := l.changeOf(r, linkStaged)
	c.base = t.in
	if err := r.judge(ctx, c); err != nil {
		return err
	}
	return r.production.exec(ctx, fmt.Sprintf("UPDATE %s l SET %s FROM %s x WHERE %s AND %s; UPDATE %[3]s x SET rowback_class = '%[6]s' WHERE %[4]s",
		t.in, c.set(), l.staged, c.chosen, l.equal("l", "x"), class))
}

// given is the condition that the row of alias s has been given the link x.
func (l *link) given(s, x string) string {
	return fmt.Sprintf("%s.rowback_class = '%s' AND %s", x, linkGiven, l.equal(s, x))
}

// maxRounds bounds how often rows lose their links because others stay out. Along a
// chain of any length the rest then stays out with its parents.
const maxRounds = 20

// linksAlong are the links of t without which rows might not refer to a parent by ref.
func (r *restore) linksAlong(t *table, ref reference) []*link {
	if r.rounds >= maxRounds {
		return nil
	}
	return slices.DeleteFunc(r.linksOf(t), func(l *link) bool {
		return !slices.ContainsFunc(l.cut, func(c string) bool { return slices.Contains(ref.reads(), c) })
	})
}

// unlinkRows takes their links from rows of t whose parent, by ref, is not there by
// one of the conditions over c, and returns from how many.
func (r *restore) unlinkRows(ctx context.Context, t *table, ref reference, gone ...string) (n int64, err error) {
	for _, l := range r.linksAlong(t, ref) {
		for _, why := range gone {
			back, err := r.production.affect(ctx, fmt.Sprintf("WITH d AS (UPDATE %s c SET %s FROM %s x WHERE %s AND %s AND %s RETURNING x.ctid AS rowback_at) UPDATE %[3]s x SET rowback_class = NULL FROM d WHERE x.ctid = rowback_at",
				t.in, l.unset(t.detail), l.staged, l.given("c", "x"), ref.applies("c"), why))
			if err != nil {
				return 0, err
			}
			n += back
		}
	}
	return n, nil
}

// unset is what makes a link what the deletion left.
func (l *link) unset(d *detail) string {
	out := make([]string, len(l.cut))
	for i, c := range l.cut {
		out[i] = quote(c) + " = " + l.leftAs(c, d)
	}
	return strings.Join(out, ", ")
}
