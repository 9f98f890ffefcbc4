package guard

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// Where code inside a statement has a cascade take other rows of a table than those that
// were captured, it takes others of all that hangs on them, too, and cuts other links.
// Nothing that is counted of those tables needs to tell.

// pulled says why the rows captured of a table may be others than the cascade has taken,
// by what happened to the tables that lead to it; "" if nothing did.
func (r *run) pulled(o uint32) string {
	t := r.s.view.snap.Tables[o]
	if t == nil || r.captured[o] == 0 || !r.capturing() {
		return ""
	}
	for i, st := range r.plan.steps {
		if st.via == journal.Cascade && (st.table == t || st.table == t.Root()) {
			if why := r.led(i); why != "" {
				return why
			}
		}
	}
	return ""
}

// led is pulled for the rows of one step.
func (r *run) led(step int) string {
	steps := r.plan.capture.Steps
	if step >= len(steps) { // the target's own, by way of itself: doubtful tells
		return ""
	}
	seen := map[int]bool{}
	for at := steps[step].Parent; at >= 0 && !seen[at]; at = steps[at].Parent {
		seen[at] = true
		t := r.plan.steps[at].table
		if at == 0 && !r.cascadesTo(t) { // which of them went the statement returned
			continue
		}
		for _, leaf := range t.Leaves() {
			if !r.proved[leaf.OID] && r.disturbed(leaf.OID, leaf) != "" {
				return "a trigger or function changed rows of " + t.QuotedName() + " inside the statement"
			}
		}
	}
	return ""
}

// inOrder are the tables that were counted, those that lead to others first.
func (r *run) inOrder() []uint32 {
	step := map[uint32]int{}
	for i, st := range slices.Backward(r.steps()) {
		for _, t := range st.table.Leaves() {
			step[t.OID] = i
		}
	}
	return slices.SortedFunc(maps.Keys(r.after.tables), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(step[a], step[b]), cmp.Compare(a, b))
	})
}

// cascadesTo reports whether rows of a table are pulled along by foreign keys.
func (r *run) cascadesTo(t *catalog.Table) bool {
	for _, st := range r.plan.steps {
		if st.table == t && st.via == journal.Cascade {
			return true
		}
	}
	return false
}

// placed is where the rows of a step's table are that this statement has taken, if any, or
// one of its batch.
func (r *run) placed(step int, t *catalog.Table) (at int, any bool) {
	root, st := t.Root(), r.plan.steps[step]
	if at, any = r.index[place{step, root.OID}]; any || !r.batched {
		return at, any
	}
	at = slices.IndexFunc(r.s.tx.removals.tables, func(e journal.Table) bool {
		return e.OID == root.OID && e.Via == st.via && slices.Equal(e.Old, st.old)
	})
	return at, at >= 0
}

// cutElsewhere notes links that may not be those that were captured. Those that are not on
// record nobody can count where the rows were changed otherwise, too.
func (r *run) cutElsewhere() {
	if !r.capturing() || !r.tracked() {
		return
	}
	for i, st := range r.plan.steps {
		if st.via != journal.SetNull && st.via != journal.SetDef || r.cascadesTo(st.table) {
			continue
		}
		why := r.led(i)
		for _, t := range st.table.Leaves() {
			more := r.after.tables[t.OID].changed - r.before.tables[t.OID].changed - r.cut[t.OID]
			at, any := r.placed(i, t)
			switch e := &r.s.tx.removals; {
			case any && why != "":
				lacks(&e.tables[at], why)
			case any && more > 0:
				lacks(&e.tables[at], "a trigger or function changed rows of it inside the statement")
			case why != "" && more > 0:
				root := t.Root()
				e.tables[e.table(journal.Table{Schema: root.Schema, Name: root.Name, OID: root.OID, Via: st.via, Why: why})].Rows += more
			}
		}
	}
}
