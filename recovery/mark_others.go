package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rowback/rowback/journal"
)

// otherMarks are the soft deletes that the journal has of rows of one table and that are
// not to be taken back, and what restores set back before: who was soft-deleted before
// stays so, and so does who was again since. They go by key: who wrote a row last tells
// nothing where it was within a savepoint, or the table was rewritten.
type otherMarks struct {
	staged  string            // temporary table: key, rowback_id, rowback_set (or set back); see sortMarks
	columns []string          // that they set
	xmins   string            // temporary table: id, rowback_xmin of those since whose keys are of no use; "": there are none
	pending map[string]*batch // by the types of the keys
	unkeyed batch
	warned  bool
}

// lookBack is how far back they are looked for: more than most recovery databases are old.
// Of marks from before that these have the rows with them, if they still had them.
const lookBack = 35 * 24 * time.Hour

// manyNames is from how many names on all entries are read at once.
const manyNames = 16

// findMarks stages the other marks of all rows that are staged.
func (r *restore) findMarks(ctx context.Context) error {
	if len(r.o.Source.of) == 0 {
		return nil
	}
	here, err := r.production.system(ctx)
	if err != nil {
		return err
	}
	var tables []*table
	for _, t := range r.tables {
		if len(t.key) == 0 {
			continue
		}
		tables = append(tables, t)
		t.others = &otherMarks{staged: strings.Replace(t.in, "_in_", "_others_", 1), pending: map[string]*batch{}}
		err := r.production.exec(ctx, fmt.Sprintf(`CREATE TEMP TABLE %s AS SELECT %s, NULL::text COLLATE "C" AS rowback_id, NULL::bool AS rowback_set FROM %s WITH NO DATA`, local(t.others.staged), list("", t.key), t.live.QuotedName()))
		if err != nil {
			return err
		}
	}
	r.o.Progress.Start("reading other soft deletes", 0)
	first := slices.MinFunc(r.o.Source.of, func(a, b *journal.Entry) int { return a.Time.Compare(b.Time) })
	if err := r.readMarks(ctx, tables, first.Time.Add(-lookBack), here); err != nil {
		return err
	}
	for _, t := range tables {
		if err := r.sortMarks(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// readMarks reads the entries that have other marks of these tables.
func (r *restore) readMarks(ctx context.Context, tables []*table, since time.Time, here string) error {
	if len(tables) == 0 {
		return nil
	}
	type softly struct {
		t  *table
		id string
	}
	soft := map[softly]bool{}
	var restores, undos []*journal.Entry // restores that inserted rows; see tookBack
	for _, e := range r.o.Source.of {
		for _, t := range r.marksIn(e, tables, journal.SoftDelete) {
			soft[softly{t, e.ID}] = true
		}
	}
	for e, err := range r.onRecord(ctx, func(err error) { r.unreadMarks(tables, err) }, r.markFilters(tables, since)...) {
		if err != nil {
			return err
		}
		if !r.mayMark(e, here) {
			continue
		}
		if o, err := r.production.outcome(ctx, e); err != nil {
			return err
		} else if o == journal.RolledBack {
			continue
		}
		undo, err := r.tookBack(ctx, e, since)
		if err != nil {
			return err
		}
		if undo && !slices.ContainsFunc(undos, func(u *journal.Entry) bool { return u.ID == e.ID }) {
			undos = append(undos, e)
			if err := r.stageOthers(ctx, e, r.marksIn(e, tables, journal.Direct)); err != nil { // rows that are gone again
				return err
			}
		}
		if e.Kind == journal.Restore && len(r.marksIn(e, tables, viaRestore)) > 0 {
			restores = append(restores, e)
		}
		in := r.marksIn(e, tables, journal.SoftDelete)
		for _, t := range in {
			soft[softly{t, e.ID}] = true
		}
		if err := r.stageOthers(ctx, e, in); err != nil {
			return err
		}
	}
	// Rows that were soft-deleted and removed, and came back from both, are not marked any more.
	for _, e := range restores {
		in := r.marksIn(e, tables, viaRestore)
		maps.DeleteFunc(in, func(_ int, t *table) bool {
			return !slices.ContainsFunc(e.Restores, func(id string) bool { return soft[softly{t, id}] })
		})
		if err := r.stageOthers(ctx, e, in); err != nil {
			return err
		}
	}
	for _, t := range tables {
		for _, types := range slices.Sorted(maps.Keys(t.others.pending)) {
			if err := r.flushOthers(ctx, t, types); err != nil {
				return err
			}
		}
	}
	if len(undos) == 0 {
		return nil
	}
	const pairs = "pg_temp.rowback_undone"
	if err := r.pairUndos(ctx, pairs, undos); err != nil {
		return err
	}
	for _, t := range tables {
		if err := r.cancelMarks(ctx, t, pairs); err != nil {
			return err
		}
	}
	return nil
}

// unreadMarks warns of soft deletes that nobody has asked for, and that cannot be read.
func (r *restore) unreadMarks(tables []*table, err error) {
	for _, t := range tables {
		if !t.others.warned {
			t.others.warned = true
			r.warn(fmt.Sprintf("rows of %s may come back without the mark of another soft delete, which cannot be read: %v", t.name(), err))
		}
	}
}

// markFilters select the entries that may have other marks of the tables: by the names
// that they had and have.
func (r *restore) markFilters(tables []*table, since time.Time) (out []journal.Filter) {
	var names []string
	for _, t := range tables {
		names = append(names, t.live.Schema+"."+t.live.Name)
		for _, leaf := range t.live.Leaves() { // it may have been a table by itself
			names = append(names, leaf.Schema+"."+leaf.Name)
		}
	}
	for _, st := range r.o.Source.Tables {
		if t := r.tableOf(&st); t != nil && slices.Contains(tables, t) {
			names = append(names, st.Schema+"."+st.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > manyNames {
		names = []string{""}
	}
	for _, name := range names {
		out = append(out, journal.Filter{Since: since, Table: name})
	}
	return out
}

// mayMark: e was not asked for and tells of rows of this database. A restore that may
// not have set anything back has not.
func (r *restore) mayMark(e *journal.Entry, here string) bool {
	if slices.Contains(r.o.Source.IDs, e.ID) {
		return false
	}
	if e.Kind == journal.Restore {
		return e.Outcome == journal.Committed && e.Database == r.production.catalog.Database && !elsewhere(e, here)
	}
	return (e.Outcome == journal.Committed || e.Outcome == journal.InDoubt) &&
		(e.Database == r.o.Source.Database || e.Database == r.production.catalog.Database) &&
		(!elsewhere(e, here) || slices.ContainsFunc(r.o.Source.of, func(o *journal.Entry) bool { return o.Server.SystemID == e.Server.SystemID }))
}

// marksIn are those of the tables of which e has rows by that way, by e's tables: marked
// by a column that is to be set back, where any is.
func (r *restore) marksIn(e *journal.Entry, tables []*table, via journal.Via) map[int]*table {
	out := map[int]*table{}
	for i := range e.Tables {
		st := &e.Tables[i]
		if st.Via != via {
			continue
		}
		t := r.tableOf(st)
		if t == nil || !slices.Contains(tables, t) {
			continue
		}
		soft := r.renamed(t.live, slices.Clone(st.Soft))
		if len(soft) == 0 || !t.mark.settable() || slices.ContainsFunc(soft, func(c string) bool { return slices.Contains(t.mark.columns, c) }) {
			out[i] = t
		}
	}
	return out
}

// stageOthers reads what e has of rows that are staged, by e's tables.
func (r *restore) stageOthers(ctx context.Context, e *journal.Entry, in map[int]*table) error {
	at := map[int][]int{}
	for i, t := range in {
		st := &e.Tables[i]
		t.others.columns = union(t.others.columns, r.renamed(t.live, slices.Clone(st.Soft)))
		if key := r.keyIn(st, t); key != nil {
			at[i] = key
		} else if st.Via == journal.SoftDelete {
			t.others.byXmin(r, t, e)
		}
	}
	if len(at) == 0 {
		return nil
	}
	yes, no := "true", "false"
	for row, err := range r.rowsOf(ctx, e.ID, func(err error) { r.unreadMarks(slices.Collect(maps.Values(in)), err) }) {
		if err != nil {
			return err
		}
		key := at[row.Table]
		if key == nil {
			continue
		}
		t := in[row.Table]
		o := t.others
		set := &no
		switch {
		case e.Tables[row.Table].Via == journal.Direct: // neither
			set = nil
		case e.Kind == journal.Deletion:
			set = &yes
		}
		values := make([]*string, 0, len(key)+2)
		for _, i := range key {
			values = append(values, row.Values[i])
		}
		var kinds []string
		for _, c := range e.Tables[row.Table].Key {
			kinds = append(kinds, c.Type)
		}
		types := strings.Join(kinds, ", ")
		if o.pending[types] == nil {
			o.pending[types] = &batch{}
		}
		b := o.pending[types]
		if b.add(append(values, &e.ID, set)); b.full() {
			if err := r.flushOthers(ctx, t, types); err != nil {
				return err
			}
		}
	}
	return nil
}

// byXmin notes an entry whose rows are known by their transaction alone, if that came
// after what is to be set back.
func (o *otherMarks) byXmin(r *restore, t *table, e *journal.Entry) {
	if !t.mark.settable() || e.Kind != journal.Deletion || e.ID < t.mark.first(r).ID || e.XID == t.mark.first(r).XID {
		return
	}
	if xmin := xminOf(e.XID); xmin != "" {
		o.unkeyed.add([]*string{&e.ID, &xmin})
	}
}

// flushOthers stages pending keys of these types.
func (r *restore) flushOthers(ctx context.Context, t *table, types string) error {
	b := t.others.pending[types]
	defer b.reset()
	if b.n == 0 {
		return nil
	}
	k := positions("k", len(t.key)+2)
	var values []string
	for i, c := range t.key {
		values = append(values, fmt.Sprintf("k.%s::%s AS %s", k[i], t.detail.columns[c].bare, quote(c)))
	}
	id, set := k[len(t.key)], k[len(t.key)+1]
	err := r.production.exec(ctx, fmt.Sprintf("INSERT INTO %[1]s SELECT %[2]s, n.%[3]s, n.%[4]s::bool FROM (SELECT %[5]s, %[3]s, %[4]s FROM %[6]s) n JOIN (SELECT %[7]s FROM %[8]s UNION ALL SELECT %[7]s FROM %[9]s) s ON %[10]s",
		t.others.staged, list("s.", t.key), id, set, strings.Join(values, ", "), b.sql("k"), list("", t.key), t.in, t.left, t.equal("n", "s")))
	if of := ofAnotherType(err); of != nil {
		r.unreadMarks([]*table{t}, of)
		return nil
	}
	return err
}
