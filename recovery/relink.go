package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// classifyLink sorts the staged links; newer are the links cut by later deletions.
func (r *restore) classifyLink(ctx context.Context, l *link, newer []*link) error {
	l.relinked, l.stayed = 0, 0
	restored, superseded := "false", "false"
	if t := r.byOID[l.live.OID]; t != nil && t.hasAll(l.key) {
		restored = fmt.Sprintf("(EXISTS (SELECT FROM %s s WHERE %s) OR EXISTS (SELECT FROM %s s WHERE %[2]s AND s.rowback_class <> '%[4]s'))",
			t.in, l.equal("s", "y"), t.left, classDifferent)
	}
	for _, n := range newer {
		if n.live == l.live && n.ref.ForeignKey == l.ref.ForeignKey && slices.Equal(n.key, l.key) {
			superseded += fmt.Sprintf(" OR EXISTS (SELECT FROM %s n WHERE %s)", n.staged, equal("n", n.keys(), "y", l.keys(), l.same...))
		}
	}
	d := r.production.detail[l.live.OID]
	return r.production.exec(ctx, fmt.Sprintf(`
		UPDATE %[1]s x SET rowback_class = CASE WHEN %[2]s THEN '%[3]s' WHEN %[4]s THEN '%[5]s' WHEN l.%[6]s IS NULL THEN '%[7]s'
			WHEN %[8]s THEN '%[9]s' WHEN NOT (%[10]s) THEN '%[11]s' WHEN %[12]s THEN '%[13]s' ELSE '%[14]s' END
		FROM %[1]s y LEFT JOIN %[15]s l ON %[16]s WHERE x.ctid = y.ctid`,
		l.staged, restored, linkRow, superseded, linkNewer, quote(l.key[0]), linkGone,
		l.isWhole("y"), linkWhole, l.stillCut("y", d), linkMoved, fmt.Sprintf("%s AND (%s OR %s)", allNotNull(l.targets("y")), r.orphaned(l.targets("y"), l.ref), r.stayed(l.targets("y"), l.ref)), linkAlone, linkCut,
		only(l.live), l.equal("l", "y")))
}

// unlinked lists the links that stay as they are, and counts all of them.
func (r *restore) unlinked(ctx context.Context, l *link) ([]Unrestored, error) {
	n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE rowback_class = '%s'", l.staged, linkCut))
	if err != nil {
		return nil, err
	}
	l.relinked = n
	var out []Unrestored
	for _, class := range []string{linkGone, linkMoved, linkAlone} {
		err := r.production.each(ctx, fmt.Sprintf("SELECT %s, %s FROM %s x WHERE rowback_class = '%s' ORDER BY %s",
			texts("x", l.keys()), literal(linkReasons[class]), l.staged, class, list("x.", l.keys())), func(row []*string) error {
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
		var set []string
		for i, c := range l.old {
			if slices.Contains(l.cut, c) {
				set = append(set, quote(c)+" = x."+l.olds()[i])
			}
		}
		n, err := r.production.change(ctx, fmt.Sprintf("UPDATE %s l SET %s FROM %s x WHERE x.rowback_class = '%s' AND %s AND %s",
			only(l.live), strings.Join(set, ", "), l.staged, linkCut, l.equal("l", "x"), l.stillCut("x", r.production.detail[l.live.OID])))
		if err != nil {
			return fmt.Errorf("re-linking %s: %w", display(l.live), err)
		}
		if n != l.relinked {
			return &errRace{fmt.Sprintf("%s: %d links were to be restored, %d were; another session changed the rows", display(l.live), l.relinked, n)}
		}
		if !r.replica {
			continue
		}
		err = r.production.exec(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s p WHERE EXISTS (SELECT FROM %s WHERE %s) FOR KEY SHARE OF p) z",
			only(l.ref.Parent), l.relinkedRows(), l.ref.refers("p", l.ref.values("l"))))
		if err != nil {
			return err
		}
	}
	return nil
}

// relinkedRows is a FROM item: l the live rows that were re-linked, x their staged links.
func (l *link) relinkedRows() string {
	return fmt.Sprintf("%s l JOIN %s x ON x.rowback_class = '%s' AND %s", only(l.live), l.staged, linkCut, l.equal("l", "x"))
}

// verifyLinks proves that every re-linked row refers to a parent that is there.
func (r *restore) verifyLinks(ctx context.Context) ([]Check, error) {
	var out []Check
	for _, l := range r.links {
		if l.relinked == 0 {
			continue
		}
		n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s AND EXISTS (SELECT FROM %s p WHERE %s)",
			l.relinkedRows(), l.isWhole("x"), only(l.ref.Parent), l.ref.refers("p", l.ref.values("l"))))
		if err != nil {
			return out, err
		}
		out = append(out, Check{Name: "links " + l.ref.Name + ": " + display(l.live), OK: n == l.relinked,
			Detail: fmt.Sprintf("%d of %d restored links lead to their old parent", n, l.relinked)})
	}
	return out, nil
}
