package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// laterMarks finds the transactions that have soft-deleted rows of the same tables since
// and are not restored. A row that is as one of them left it bears that one's mark, not
// the one to be taken back, though all else in it may be as before.
func (r *restore) laterMarks(ctx context.Context) error {
	for _, t := range r.tables {
		if !t.mark.settable() {
			continue
		}
		here, err := r.production.system(ctx)
		if err != nil {
			return err
		}
		var later batch
		for _, f := range r.laterOf(t.mark.first(r), t.mark.tables(t)) {
			for e, err := range r.o.Journal.Entries(ctx, f) {
				if journal.IsDamage(err) {
					r.warn(fmt.Sprintf("soft deletes are set back also where a later one may have marked the row again: %v", err))
					break
				}
				if err != nil {
					return err
				}
				if xid, err := strconv.ParseUint(e.XID, 10, 64); err == nil && r.isLater(e, t, here) {
					id, xmin := e.ID, strconv.FormatUint(uint64(uint32(xid)), 10)
					later.add([]*string{&id, &xmin})
				}
			}
		}
		if later.n == 0 {
			continue
		}
		t.mark.later = t.mark.staged + "_later"
		if err := r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT k01 AS id, k02 AS rowback_xmin FROM %s; ANALYZE %[1]s", local(t.mark.later), later.sql("k"))); err != nil {
			return err
		}
	}
	return nil
}

// first of the soft deletes.
func (m *mark) first(r *restore) *journal.Entry {
	return r.o.Source.of[slices.MinFunc(slices.Collect(maps.Keys(m.pending)), func(a, b int) int {
		return r.o.Source.of[a].Time.Compare(r.o.Source.of[b].Time)
	})]
}

// tables are t by the source tables that it has the marks of.
func (m *mark) tables(t *table) map[int]*catalog.Table {
	out := map[int]*catalog.Table{}
	for i := range m.pending {
		out[i] = t.live
	}
	return out
}

// isLater reports whether an entry has soft-deleted rows of t after those to be set back.
func (r *restore) isLater(e *journal.Entry, t *table, here string) bool {
	first := t.mark.first(r)
	if e.Outcome != journal.Committed && e.Outcome != journal.InDoubt || slices.Contains(r.o.Source.IDs, e.ID) || e.ID <= first.ID || e.XID == first.XID ||
		e.Database != r.o.Source.Database && e.Database != r.production.catalog.Database || elsewhere(e, here) && e.Server.SystemID != first.Server.SystemID {
		return false
	}
	return slices.ContainsFunc(e.Tables, func(st journal.Table) bool {
		live, err := r.liveTable(&st)
		return st.Via == journal.SoftDelete && err == nil && live.Root() == t.live.Root()
	})
}
