package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// classifyLink sorts the staged links.
func (r *restore) classifyLink(ctx context.Context, l *link) error {
	l.relinked, l.stayed = 0, 0
	d := r.production.detail[l.live.OID]
	var cases strings.Builder
	when := func(class, condition string) { fmt.Fprintf(&cases, " WHEN %s THEN '%s'", condition, class) }
	from := fmt.Sprintf("%s y LEFT JOIN %s l ON %s", l.staged, only(l.live), l.equal("l", "y"))
	t := r.byOID[l.live.OID]
	if t != nil && t.hasAll(l.key) {
		when(linkRow, fmt.Sprintf("EXISTS (SELECT FROM %s s WHERE %s AND s.rowback_class NOT IN ('%s', '%s'))", t.left, l.equal("s", "y"), classDifferent, classHeld))
	}
	if before, after := r.ofMark(l, "y"); before != "false" { // unless the mark stays
		when(linkRow, fmt.Sprintf("(%s OR %s) AND NOT EXISTS (SELECT FROM %s s WHERE %s AND s.rowback_marked IS NULL)", before, after, t.left, l.equal("s", "y")))
	}
	when(linkNewer, "y.rowback_again")
	if t != nil && t.hasAll(l.key) {
		from += fmt.Sprintf(" LEFT JOIN %s s ON %s", t.in, l.equal("s", "y"))
		staged, known := "s."+quote(l.key[0])+" IS NOT NULL", l.knownOf(t)
		came := "s.rowback_kind = 0"
		if l.unknown == "" && known != "false" {
			came = "NOT (" + l.stillCut("s", "y", d) + ")"
		} else if known != "false" {
			came += " OR " + l.isWhole("s", "y")
		}
		switch {
		case t.done: // else it is a live row by now
			when(linkRow, fmt.Sprintf("%s AND %s AND (%s)", staged, known, came))
		default:
			when(linkOut, fmt.Sprintf("%s AND NOT %s", staged, known))
			when(linkRow, fmt.Sprintf("%s AND (%s)", staged, came))
			if l.unknown != "" {
				when(linkUnknown, staged)
			} else if known != "false" {
				when(linkLater, staged+" AND "+l.repointed("y"))
				when(linkAlone, staged+" AND "+r.alone(l, "y", "s"))
				when(linkStaged, staged)
			}
		}
	}
	when(linkGone, "l."+quote(l.key[0])+" IS NULL")
	when(linkWhole, l.isWhole("l", "y"))
	if l.unknown != "" {
		when(linkUnknown, "true")
	} else {
		when(linkMoved, "NOT ("+l.stillCut("l", "y", d)+")")
	}
	when(linkLater, l.repointed("y"))
	when(linkAlone, r.alone(l, "y", "l"))
	if err := r.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET rowback_class = CASE%s ELSE '%s' END, rowback_reason = NULL FROM %s WHERE x.ctid = y.ctid",
		l.staged, cases.String(), linkCut, from)); err != nil {
		return err
	}
	if err := r.linkStaged(ctx, l, linkRow); err != nil {
		return err
	}
	l.change = l.changeOf(r, linkCut)
	l.change.still = l.stillCut("l", "x", d)
	if l.unknown != "" {
		return nil // none is cut
	}
	return r.judge(ctx, l.change)
}

// alone is the condition that the parent is not there that the link x would lead a row to.
func (r *restore) alone(l *link, x, row string) string {
	targets := l.targets(x, row)
	return fmt.Sprintf("%s AND (%s OR %s)", allNotNull(targets), r.orphaned(targets, l.ref), r.stayed(targets, l.ref))
}

// lacks: some column is not known.
func lacks(known, columns []string) bool {
	return slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(known, c) })
}

// knownOf is the condition that of staged row s of t the link's columns are known.
func (l *link) knownOf(t *table) string {
	if lacks(t.columns, l.old) {
		return "false"
	}
	return "(" + t.byKind("s", func(columns []string) string { return fmt.Sprint(!lacks(columns, l.old)) }) + ")"
}

// changeOf gives the links of a class back.
func (l *link) changeOf(r *restore, class string) *change {
	c := &change{what: "re-linking " + display(l.live), live: l.live, key: l.key, staged: l.staged, keys: l.keys(),
		chosen: "x.rowback_class = '" + class + "'", known: l.ref.ForeignKey, gone: r.parentless, blame: r.blame,
		hold: func(why string) string {
			return fmt.Sprintf("rowback_class = '%s', rowback_reason = %s", linkHeld, why)
		}}
	for i, o := range l.old {
		if slices.Contains(l.cut, o) {
			c.columns, c.values = append(c.columns, o), append(c.values, "x."+l.olds()[i])
		}
	}
	return c
}

// parentless are the conditions of which each means that a parent is not there
// for a row that is to be changed.
func (r *restore) parentless(values []string, ref reference) []string {
	return []string{r.orphaned(values, ref), r.stayed(values, ref)}
}

// unlinked lists the links that stay as they are, and counts all of them.
func (r *restore) unlinked(ctx context.Context, l *link) ([]Unrestored, error) {
	n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE rowback_class = '%s'", l.staged, linkCut))
	if err != nil {
		return nil, err
	}
	l.relinked = n
	var out []Unrestored
	for _, c := range listedLinks {
		err := r.production.each(ctx, fmt.Sprintf("SELECT %s, 'link not restored: ' || coalesce(rowback_reason, %s) FROM %s x WHERE rowback_class = '%s' ORDER BY %s",
			texts("x", l.keys()), literal(c.reason), l.staged, c.class, list("x.", l.keys())), func(row []*string) error {
			u, err := newUnrestored(l.live, l.key, row)
			out = append(out, u)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	l.stayed = int64(len(out))
	return out, nil
}

// relink gives the cut rows their old parents back, only where the link still
// is as the deletion left it.
func (r *restore) relink(ctx context.Context) error {
	for _, l := range r.links {
		if l.relinked == 0 {
			continue
		}
		if err := r.apply(ctx, l.change, l.relinked); err != nil {
			return err
		}
	}
	return nil
}

// relinkedRows is a FROM item: l the live rows that were re-linked, x their staged links.
func (l *link) relinkedRows() string {
	return fmt.Sprintf("%s l JOIN %s x ON x.rowback_class = '%s' AND %s", only(l.live), l.staged, linkCut, l.equal("l", "x"))
}

// verifyLinks proves that every re-linked row refers to a parent that is there. One
// that is gone since the plan is a race.
func (r *restore) verifyLinks(ctx context.Context) ([]Check, error) {
	var out []Check
	for _, l := range r.links {
		if l.relinked == 0 {
			continue
		}
		n, err := r.production.numbers(ctx, fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM %s p WHERE %s)) FROM %s WHERE %s",
			only(l.ref.Parent), l.ref.refers("p", l.ref.values("l")), l.relinkedRows(), l.isWhole("l", "x")))
		if err != nil {
			return out, err
		}
		whole, led := n[0], n[1]
		out = append(out, Check{Name: "links " + l.ref.Name + ": " + display(l.live), OK: led == l.relinked,
			Detail: fmt.Sprintf("%d of %d restored links lead to their old parent", led, l.relinked)})
		if whole == l.relinked && led < whole {
			return out, &errRace{what: fmt.Sprintf("%s: %s: the parents of %d restored links are gone", display(l.live), l.ref.title(), whole-led)}
		}
	}
	return out, nil
}
