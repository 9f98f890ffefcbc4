package guard

import (
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// unlink counts links of a table's rows that were cut.
func (r *run) unlink(o uint32, n int64) {
	if r.cut == nil {
		r.cut = map[uint32]int64{}
	}
	r.cut[o] += n
}

// unlinked notes rows whose links were cut and that are not on record: others have made
// them, or pointed them at a removed row, since the statement began. What they pointed at
// nobody can tell any more. Where triggers may have changed them, or they went
// themselves, the counters do not tell.
func (r *run) unlinked() {
	if !r.capturing() || !r.tracked() || r.before.ended == r.after.ended {
		return
	}
	triggers := func(t *catalog.Table) bool {
		return slices.ContainsFunc(t.Triggers, func(g catalog.Trigger) bool { return g.Enabled != 'D' })
	}
	gone := map[*catalog.Table]bool{}
	for _, st := range r.plan.steps {
		if triggers(st.table) || slices.ContainsFunc(st.table.Leaves(), triggers) {
			return
		}
		gone[st.table] = gone[st.table] || st.via == journal.Direct || st.via == journal.Cascade
	}
	rm := &r.s.tx.removals
	for i, st := range r.plan.steps {
		if st.via != journal.SetNull && st.via != journal.SetDef || gone[st.table] {
			continue
		}
		more := int64(0)
		for _, t := range st.table.Leaves() {
			o := t.OID
			if at, any := r.placed(i, t); any { // these were not cut, and perhaps others instead
				r.unlink(o, -r.swapped[at])
				delete(r.swapped, at)
			}
			if n := r.after.tables[o].changed - r.before.tables[o].changed - r.cut[o]; n > 0 {
				more += n
				r.unlink(o, n) // of several links nobody knows which
			}
		}
		if more > 0 {
			t := st.table.Root()
			rm.tables[rm.table(journal.Table{Schema: t.Schema, Name: t.Name, OID: t.OID, Via: st.via,
				Why: changedByOthers})].Rows += more
		}
	}
}
