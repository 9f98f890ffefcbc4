package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// laterCuts finds, of the rows whose links were cut, those whose same link the journal
// has another deletion cut since, which is not restored: what it led to then is what
// somebody had made of it. It is NULL, or the default, as if nobody had.
func (r *restore) laterCuts(ctx context.Context) error {
	links := slices.DeleteFunc(slices.Clone(r.links), func(l *link) bool { return l.of == nil })
	if len(links) == 0 {
		return nil
	}
	here, err := r.production.system(ctx)
	if err != nil {
		return err
	}
	found := map[string]map[int][]*laterCut{} // by entry, and its table
	for e, err := range r.onRecord(ctx, r.unread, r.laterFilters(links)...) {
		if err != nil {
			return err
		}
		if cuts := r.cutsIn(e, links, here); len(cuts) > 0 {
			found[e.ID] = cuts
		}
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(found))) { // the latest first
		if err := r.stageLater(ctx, id, found[id]); err != nil {
			return err
		}
	}
	for _, l := range links {
		if l.later == "" {
			continue
		}
		if _, err := r.dedupe(ctx, l.later, l.keys(), "ctid"); err != nil {
			return err
		}
		if err := r.indexOne(ctx, l.later, l.keys()); err != nil {
			return err
		}
	}
	return nil
}

// unread warns of later entries that cannot be read: nobody has asked for them.
func (r *restore) unread(err error) {
	r.warn(fmt.Sprintf("links are taken for untouched since, as a later entry of the journal cannot be read: %v", err))
}

// laterFilters select the deletions since that may have cut one of the links: by the
// names that the tables had and have, unless partitions have names of their own.
func (r *restore) laterFilters(links []*link) []journal.Filter {
	first := slices.MinFunc(links, func(a, b *link) int { return a.of.Time.Compare(b.of.Time) }).of
	tables := map[int]*catalog.Table{}
	for i, l := range r.byFeed {
		tables[i] = l.live
	}
	return r.laterOf(first, tables)
}

// laterOf select the deletions since from these tables, by their index in Source.Tables.
func (r *restore) laterOf(first *journal.Entry, tables map[int]*catalog.Table) []journal.Filter {
	since := first.Time
	var names []string
	for i, live := range tables {
		if live.Kind == 'p' {
			return []journal.Filter{{Kind: journal.Deletion, Since: since}}
		}
		st := r.o.Source.Tables[i]
		names = append(names, live.Schema+"."+live.Name, st.Schema+"."+st.Name)
	}
	slices.Sort(names)
	var out []journal.Filter
	for _, name := range slices.Compact(names) {
		out = append(out, journal.Filter{Kind: journal.Deletion, Since: since, Table: name})
	}
	return out
}

// laterCut is a link that a later deletion cut again.
type laterCut struct {
	link    *link
	at      []int // where the later entry's rows have the link's key and old values
	pending batch
}

// cutsIn are the cuts of the links that a later entry has, by its table.
func (r *restore) cutsIn(e *journal.Entry, links []*link, here string) map[int][]*laterCut {
	// Of one in doubt, too: that the link led there is as true if it was not cut.
	if e.Outcome != journal.Committed && e.Outcome != journal.InDoubt || slices.Contains(r.o.Source.IDs, e.ID) ||
		e.Database != r.o.Source.Database && e.Database != r.production.catalog.Database {
		return nil
	}
	out := map[int][]*laterCut{}
	for i := range e.Tables {
		for _, l := range links {
			if e.ID < l.of.ID || elsewhere(e, here) && e.Server.SystemID != l.of.Server.SystemID {
				continue
			}
			if at := r.cutsOf(&e.Tables[i], l); at != nil {
				out[i] = append(out[i], &laterCut{link: l, at: at})
			}
		}
	}
	return out
}

// cutsOf says where rows of an entry's table have what l is staged by; nil if it is
// not of the same foreign key.
func (r *restore) cutsOf(st *journal.Table, l *link) []int {
	if st.Via != journal.SetNull && st.Via != journal.SetDef || len(st.Key) != len(l.key) || len(st.Old) != len(l.old) {
		return nil
	}
	live, err := r.liveTable(st)
	if err != nil || live.Root() != l.live {
		return nil
	}
	key, old := r.renamed(l.live, namesOf(st.Key)), r.renamed(l.live, namesOf(st.Old))
	if cutKey(l.live, old, st.Via) != l.ref.ForeignKey {
		return nil
	}
	var at []int
	for _, c := range l.key {
		at = append(at, slices.Index(key, c))
	}
	for _, c := range l.old {
		if i := slices.Index(old, c); i >= 0 {
			at = append(at, len(key)+i)
		} else {
			at = append(at, i)
		}
	}
	if slices.Contains(at, -1) {
		return nil
	}
	return at
}

// stageLater reads what a later deletion has of the rows whose links are staged.
func (r *restore) stageLater(ctx context.Context, id string, cuts map[int][]*laterCut) error {
	r.o.Progress.Start("reading "+id, 0)
	for row, err := range r.rowsOf(ctx, id, r.unread) {
		if err != nil {
			return err
		}
		for _, c := range cuts[row.Table] {
			values := make([]*string, len(c.at))
			for i, at := range c.at {
				values[i] = row.Values[at]
			}
			c.pending.add(values)
			if !c.pending.full() {
				continue
			}
			if err := r.flushLater(ctx, c); err != nil {
				return err
			}
		}
	}
	for _, i := range slices.Sorted(maps.Keys(cuts)) {
		for _, c := range cuts[i] {
			if err := r.flushLater(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *restore) flushLater(ctx context.Context, c *laterCut) error {
	if c.pending.n == 0 {
		return nil
	}
	defer c.pending.reset()
	l := c.link
	if l.later == "" {
		l.later = l.staged + "_later"
		if err := r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s FROM %s WITH NO DATA", local(l.later), list("", slices.Concat(l.keys(), l.olds())), l.staged)); err != nil {
			return err
		}
	}
	err := r.production.exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT * FROM (%s) n WHERE EXISTS (SELECT FROM %s y WHERE %s)",
		l.later, r.typed(l, &c.pending), l.staged, equal("n", l.keys(), "y", l.keys(), l.same...)))
	if of := ofAnotherType(err); of != nil {
		r.unread(of)
		return nil
	}
	return err
}

// repointed is the condition that the row of the staged link x had been given another
// parent since, as the journal knows.
func (l *link) repointed(x string) string {
	if l.later == "" {
		return "false"
	}
	same := make([]string, len(l.old))
	for i, o := range l.olds() {
		same[i] = notDistinct("n."+o, l.same[len(l.key)+i], x+"."+o)
	}
	return fmt.Sprintf("EXISTS (SELECT FROM %s n WHERE %s AND NOT (%s))", l.later, equal("n", l.keys(), x, l.keys(), l.same...), strings.Join(same, " AND "))
}
