package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rowback/rowback/journal"
)

// planned are the changes of rows that stay, in their order: soft deletes that are
// made again, of rows that are still the restore's, links that are cut again.
func (u *undo) planned() (out []*change) {
	held := func(what string) func(string) string {
		return func(why string) string {
			return fmt.Sprintf("rowback_class = '%s', rowback_reason = %s || %s", undoHeld, literal(what), why)
		}
	}
	chosen := "x.rowback_class = '" + undoRemove + "'"
	for _, m := range u.remarked() {
		m.change = &change{what: "marking rows of " + display(m.live) + " as deleted again", live: m.live, key: m.key, staged: m.staged, keys: m.key, columns: m.columns,
			values: prefixed("x", m.columns), chosen: chosen, still: "l.xmin::text = x.rowback_xmin", gone: u.parentless, blame: u.blame, hold: held("left without the mark: ")}
		out = append(out, m.change)
	}
	for _, l := range u.links {
		c := &change{what: "cutting links of " + display(l.live), live: l.live, key: l.key, staged: l.staged, keys: l.keys(), columns: l.cut,
			chosen: chosen, still: l.isWhole("l", "x"), gone: u.parentless, blame: u.blame, hold: held("its link is not cut again: ")}
		for _, col := range l.cut {
			c.values = append(c.values, l.leftAs(col, u.production.detail[l.live.OID]))
		}
		if l.via == journal.SetNull {
			c.known = l.ref.ForeignKey
		}
		l.change = c
		out = append(out, c)
	}
	return out
}

// remarked are the remarks in the order of the entries.
func (u *undo) remarked() (out []*remark) {
	for _, i := range slices.Sorted(maps.Keys(u.remarks)) {
		out = append(out, u.remarks[i])
	}
	return out
}

// judgeChanges holds back what production would not take.
func (u *undo) judgeChanges(ctx context.Context) error {
	for _, c := range u.changes { // judged before
		if err := u.production.exec(ctx, "DROP TABLE IF EXISTS "+c.after()); err != nil {
			return err
		}
	}
	u.changes = nil
	for _, l := range u.links {
		if l.unknown == "" {
			continue
		}
		why := literal("its link is not cut again: the default of its column " + l.unknown + " is another each time")
		err := u.production.exec(ctx, fmt.Sprintf("UPDATE %s SET rowback_class = '%s', rowback_reason = %s WHERE rowback_class = '%s'", l.staged, undoHeld, why, undoRemove))
		if err != nil {
			return err
		}
	}
	for _, c := range u.planned() {
		if err := u.judge(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// isCut is the condition that the link of live row l is cut again already; y is
// the staged link.
func (u *undo) isCut(l *link) string {
	if l.unknown != "" {
		return "false"
	}
	return l.stillCut("l", "y", u.production.detail[l.live.OID])
}

// parentless are the conditions of which each means that a row's parent is not
// there when all is done.
func (u *undo) parentless(values []string, ref reference) []string {
	out := []string{ref.lacks(values, only(ref.Parent))}
	if t := u.byOID[ref.Parent.Root().OID]; t != nil {
		out = append(out, fmt.Sprintf("EXISTS (SELECT FROM %s p JOIN %s o ON %s WHERE o.rowback_class = '%s' AND %s)",
			only(ref.Parent), t.in, t.undone("p", "o"), undoRemove, ref.refers("p", values)))
	}
	return out
}
