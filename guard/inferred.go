package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// The keys of a cascade's rows are inferred: they are those that referred to the removed
// rows when the statement began. Triggers and functions inside it may have the cascade
// take others, and as many of them, or keep some. What is still there has not gone.

// freelyScanned is how many rows a table may have that is looked at for each statement.
const freelyScanned = 10_000

// inferred is the step by which the keys of a table's rows are inferred, -1 if they are
// not, or not by one step.
func (r *run) inferred(t *catalog.Table) int {
	at := slices.IndexFunc(r.steps(), func(st step) bool {
		return (st.table == t || st.table == t.Root()) && (st.via == journal.Direct || st.via == journal.Cascade)
	})
	if at < 0 || r.plan.steps[at].via == journal.Direct {
		return -1
	}
	return at
}

// doubtful says why the keys captured of a table may be of other rows than the server
// has removed, though they are as many; "" if nothing tells so.
func (r *run) doubtful(o uint32) string {
	t := r.s.view.snap.Tables[o]
	if t == nil || r.captured[o] == 0 || r.inferred(t) < 0 && !slices.ContainsFunc(r.steps()[min(1, len(r.steps())):], func(st step) bool { return st.table == t.Root() && st.via == journal.Cascade }) {
		return ""
	}
	return r.disturbed(o, t)
}

// disturbed says what a statement did to a table's rows beside removing them, so that its
// foreign keys may have led elsewhere; "" if nothing tells so.
func (r *run) disturbed(o uint32, t *catalog.Table) string {
	changed := r.after.tables[o].changed - r.before.tables[o].changed
	for i, st := range r.plan.steps {
		if (st.table == t || st.table == t.Root()) && st.via != journal.Direct && st.via != journal.Cascade { // a link that is cut is an update
			if at, any := r.placed(i, t); any {
				changed -= r.rowsSince(at)
			}
		}
	}
	switch {
	case changed > 0:
		return "a trigger or function changed rows of it inside the statement"
	case keeps(t) && slices.ContainsFunc(r.plan.steps, func(st step) bool { return len(st.table.UnsafeTriggers) > 0 }):
		return "a trigger may have kept rows of it, and removed others"
	}
	return ""
}

// rowsSince is how many rows one of the transaction's tables has got in this statement.
func (r *run) rowsSince(at int) int64 {
	rows := r.s.tx.removals.tables[at].Rows
	if old := r.mark.removals.tables; at < len(old) {
		rows -= old[at].Rows
	}
	return rows
}

// keeps reports whether a table has a trigger that can keep a row which is to be deleted.
func keeps(t *catalog.Table) bool {
	return slices.ContainsFunc(append(slices.Clone(t.Triggers), t.Root().Triggers...), func(g catalog.Trigger) bool {
		return g.Enabled != 'D' && strings.HasPrefix(g.Event, "BEFORE") && strings.Contains(g.Event, "DELETE")
	})
}

// outlived takes the keys of rows that are still there from those captured of a table,
// of which the server counted n rows; false: what is left are not as many, or that
// cannot be told, and the keys stay as they are.
func (r *run) outlived(ctx context.Context, o uint32, n int64) (bool, error) {
	t := r.s.view.snap.Tables[o]
	if t == nil || !r.tracked() || r.batched || r.captured[o] == 0 || r.imaged() || r.exchangedOf(o) != "" {
		return false, nil
	}
	step := r.inferred(t)
	if step < 0 || t.Root() != t {
		return false, nil
	}
	if n == 0 {
		return true, r.replace(step, t, nil)
	}
	if r.after.xid == "" || len(r.plan.steps[step].key) == 0 || t.EstimatedRows > mostScanned || r.captured[o] > mostRecounted ||
		t.EstimatedRows > freelyScanned && !r.mayRecount() {
		return false, nil
	}
	// A row that a trigger has kept is locked by the transaction, one that it has changed is its own.
	which := r.asYoung("x.xmax") + " OR " + r.asYoung("x.xmin")
	if r.pulled(o) != "" { // one that the cascade never came to is neither
		which = "true"
	}
	there, err := r.keysWhere(ctx, lookup{w: r.w}, t, which, r.plan.encoding != "UTF8")
	if err != nil {
		return false, r.fault(err)
	}
	if there == nil {
		return false, nil
	}
	gone, at := map[string][]*string{}, r.table(step, o)
	for row, err := range r.s.tx.keys.Since(r.mark.keys) {
		if err != nil {
			return false, err
		}
		if key := keyText(row.Values); row.Table == at && there[key] == nil {
			gone[key] = row.Values
		}
	}
	if int64(len(gone)) != n {
		return false, nil
	}
	if n == r.captured[o] { // all are gone
		if r.proved == nil {
			r.proved = map[uint32]bool{}
		}
		r.proved[o] = true
		return true, nil
	}
	return true, r.replace(step, t, gone)
}

// imaged reports whether whole rows are kept of a table: their images cannot be told apart.
func (r *run) imaged() bool {
	return slices.ContainsFunc(r.plan.steps, func(st step) bool { return len(st.image.columns) > 0 })
}

// differing brings a table of which the server counted n rows to that, other than the
// keys captured are, or doubtful.
func (r *run) differing(ctx context.Context, o uint32, n int64, doubt string) error {
	for _, mend := range []func(context.Context, uint32, int64) (bool, error){r.outlived, r.recount} {
		if right, err := mend(ctx, o, n); right || err != nil {
			return err
		}
	}
	if doubt == "" {
		doubt = fmt.Sprintf("the server counted %d rows, %d keys were captured", n, r.captured[o])
	}
	r.uncounted(o, n-r.captured[o], doubt)
	return nil
}
