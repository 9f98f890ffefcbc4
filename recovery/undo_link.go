package recovery

import (
	"context"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// laterRestores finds, of the links that are to be cut again, those that a restore since,
// which is not undone, gave back as well: they are that one's.
func (u *undo) laterRestores(ctx context.Context) error {
	if len(u.links) == 0 {
		return nil
	}
	here, err := u.production.system(ctx)
	if err != nil {
		return err
	}
	first := u.entries[len(u.entries)-1]
	of := map[*link]*journal.Entry{}
	i := 0
	for _, e := range u.entries {
		for range e.Tables {
			if l := u.byFeed[i]; l != nil {
				of[l] = e
			}
			i++
		}
	}
	for e, err := range u.onRecord(ctx, u.unread, journal.Filter{Kind: journal.Restore, Database: first.Database, Since: first.Time}) {
		if err != nil {
			return err
		}
		if elsewhere(e, here) || slices.Contains(u.restore.o.Source.IDs, e.ID) {
			continue
		}
		// Of one in doubt nobody knows: the link stays.
		if outcome, err := u.production.outcome(ctx, e); err != nil {
			return err
		} else if outcome == journal.RolledBack {
			continue
		}
		given := map[int][]*laterCut{}
		for i := range e.Tables {
			for _, l := range u.links {
				if at := u.cutsOf(&e.Tables[i], l); at != nil && e.ID > of[l].ID {
					given[i] = append(given[i], &laterCut{link: l, at: at})
				}
			}
		}
		if len(given) == 0 {
			continue
		}
		if err := u.stageLater(ctx, e.ID, given); err != nil {
			return err
		}
	}
	for _, l := range u.links {
		if l.later == "" {
			continue
		}
		if err := u.indexOne(ctx, l.later, l.keys()); err != nil {
			return err
		}
	}
	return nil
}

// holdLinks holds back the links that later restores gave back, too.
func (u *undo) holdLinks(ctx context.Context) error {
	for _, l := range u.links {
		if l.later == "" {
			continue
		}
		err := u.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET rowback_class = '%s', rowback_reason = %s FROM %s n WHERE x.rowback_class = '%s' AND %s",
			l.staged, undoHeld, literal("its link is not cut again: a restore since, which is not undone, gave it back, too"), l.later, undoRemove, equal("n", l.keys(), "x", l.keys(), l.same...)))
		if err != nil {
			return err
		}
	}
	return nil
}

// keepLinks holds back the links to parents that the restores brought and that stay, and
// returns how many.
func (u *undo) keepLinks(ctx context.Context) (n int64, err error) {
	for _, l := range u.links {
		t := u.byOID[l.ref.Parent.Root().OID]
		if t == nil {
			continue
		}
		stays := fmt.Sprintf("EXISTS (SELECT FROM %s p JOIN %s o ON %s WHERE o.rowback_class <> '%s' AND %s)",
			only(l.ref.Parent), t.in, t.undone("p", "o"), undoRemove, l.ref.refers("p", l.targets("y", "l")))
		if len(t.key) == 0 { // which of those that stay were brought back is not known
			stays = fmt.Sprintf("EXISTS (SELECT FROM %s p WHERE %s AND NOT EXISTS (SELECT FROM %s o WHERE o.rowback_class = '%s' AND %s))",
				only(l.ref.Parent), l.ref.refers("p", l.targets("y", "l")), t.in, undoRemove, t.undone("p", "o"))
		}
		more, err := u.production.affect(ctx, fmt.Sprintf("UPDATE %s x SET rowback_class = '%s', rowback_reason = %s FROM %[1]s y JOIN %[4]s l ON %[5]s WHERE x.ctid = y.ctid AND y.rowback_class = '%[6]s' AND %[7]s",
			l.staged, undoHeld, literal("its link is not cut again: its parent stays"), only(l.live), l.equal("l", "y"), undoRemove, stays))
		if err != nil {
			return n, err
		}
		n += more
	}
	return n, nil
}

// goes is the condition that the row of alias l, of a live table, is removed.
func (u *undo) goes(live *catalog.Table, l string) string {
	t := u.byOID[live.OID]
	if t == nil {
		return "false"
	}
	return fmt.Sprintf("EXISTS (SELECT FROM %s o WHERE o.rowback_class = '%s' AND %s)", t.in, undoRemove, t.undone(l, "o"))
}

// goWithRows drops links and marks of rows that are removed from what stays as it is.
func (u *undo) goWithRows(ctx context.Context) error {
	gone := func(live *catalog.Table, staged, same string) error {
		goes := u.goes(live, "l")
		if goes == "false" {
			return nil
		}
		return u.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET rowback_class = '%s' FROM %s l WHERE x.rowback_class IN ('%s', '%s') AND %s AND %s",
			staged, undoGone, only(live), undoChanged, undoHeld, same, goes))
	}
	for _, m := range u.remarks {
		if err := gone(m.live, m.staged, equal("l", m.key, "x", m.key, m.same...)); err != nil {
			return err
		}
	}
	for _, l := range u.links {
		if err := gone(l.live, l.staged, l.equal("l", "x")); err != nil {
			return err
		}
	}
	return nil
}
