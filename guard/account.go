package guard

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// account brings the transaction's tables to what the server counted.
func (r *run) account(ctx context.Context) error {
	if err := r.newcomers(ctx); err != nil {
		return r.told(err)
	}
	if err := r.invisible(ctx); err != nil {
		return r.told(err)
	}
	if err := r.emptied(ctx); err != nil {
		return r.told(err)
	}
	if err := r.exchanged(ctx); err != nil {
		return err
	}
	var own locks
	for _, o := range r.inOrder() {
		after, before := r.after.tables[o], r.before.tables[o]
		n := after.deleted - before.deleted
		// A TRUNCATE takes back what was counted before it, and counts nothing itself.
		remade := n < 0
		if !remade && before.filenode != "" && before.filenode != after.filenode && before.filenode+"p" != after.filenode {
			var err error
			if remade, err = own.remade(ctx, r, o); err != nil {
				return r.told(err)
			}
		}
		if remade {
			if ok, err := r.alters(ctx, o); err != nil {
				return r.told(err)
			} else if ok {
				continue
			}
			if !r.taken[o] {
				r.estimated(o, before, "the table was truncated, rewritten or detached inside the statement")
			}
			continue
		}
		doubt := ""
		if n == r.captured[o] {
			doubt = cmp.Or(r.doubtful(o), r.pulled(o), r.exchangedOf(o))
		}
		if diff := n - r.captured[o]; (diff > 0 || (diff < 0 || doubt != "") && r.tracked()) && !r.taken[o] {
			if err := r.differing(ctx, o, n, doubt); err != nil {
				return err
			}
		}
	}
	for o, before := range r.before.tables {
		if _, still := r.after.tables[o]; !still && !r.taken[o] {
			if dropped, err := own.remade(ctx, r, o); err != nil {
				return r.told(err)
			} else if !dropped {
				continue
			}
			r.estimated(o, before, "the table was dropped inside the statement")
		}
	}
	r.misspelt()
	r.unlinked()
	r.cutElsewhere()
	r.outrun()
	r.foreign()
	r.temporary()
	r.opened()
	return nil
}

// estimated notes a table whose rows went without being counted, and as many as it may have had.
func (r *run) estimated(o uint32, before counter, why string) {
	r.vanished(o)
	if n := r.estimate(o, before); n > 0 {
		r.uncounted(o, n, why+anEstimate)
	}
}

// anEstimate ends why there are no keys where the number of rows is none that was counted.
const anEstimate = "; the number is an estimate"

func isEstimate(t journal.Table) bool { return strings.HasSuffix(t.Why, anEstimate) }

// estimate is how many rows the server thinks a table had. Where nobody knows it is
// too many: unknown is never safe. Before PostgreSQL 14 that is said as 0.
func (r *run) estimate(o uint32, before counter) int64 {
	n := int64(before.rows)
	if n < 0 || n == 0 && r.s.view.snap.Version < 140000 {
		return r.toomany(o)
	}
	return n
}

// vanished notes a table whose rows went without being counted.
func (r *run) vanished(o uint32) {
	r.unknown = append(r.unknown, o)
}

// toomany is a number of rows of a table that is over every limit.
func (r *run) toomany(o uint32) int64 { return beyond(r.ruleOf(o)) }

// ruleOf is the rule that a table falls under.
func (r *run) ruleOf(o uint32) *policy.Rule {
	if t := r.s.view.snap.Tables[o]; t != nil {
		root := t.Root()
		return r.s.rules.sheet.Rule(root.Schema, root.Name)
	}
	return r.s.rules.strict()
}

// unvouched are the tables whose rows went uncounted where a rule refuses that,
// by name, and one such rule; nil: none.
func (r *run) unvouched() (names []string, rule *policy.Rule) {
	for _, o := range r.unknown {
		x := r.ruleOf(o)
		if !refuses(x.Mode) || x.Uncountable == policy.Allow {
			continue
		}
		name := fmt.Sprintf("oid %d", o)
		if t := r.s.view.snap.Tables[o]; t != nil {
			name = t.QuotedName()
		}
		names, rule = append(names, name), x
	}
	return names, rule
}

// since is what the transaction's tables have lost since the mark.
func (r *run) since() []journal.Table {
	var removed []journal.Table
	old := r.mark.removals.tables
	for i, t := range r.s.tx.removals.tables {
		if i < len(old) {
			t.Rows -= old[i].Rows
		}
		if t.Rows != 0 {
			removed = append(removed, t)
		}
	}
	return removed
}

// uncounted adds rows that the server counted and no key stands for.
func (r *run) uncounted(o uint32, n int64, why string) {
	rm := &r.s.tx.removals
	t := r.s.view.snap.Tables[o]
	if at := r.stepOf(t); at >= 0 {
		e := &rm.tables[r.table(at, o)]
		e.Rows += n
		lacks(e, why)
		r.plan.steps[at].image.without(why).note(e)
		return
	}
	want := journal.Table{OID: o, Schema: "?", Name: fmt.Sprintf("oid %d", o)}
	if n, ok := r.newer[o]; ok {
		want = n
	}
	want.Via = journal.Function
	if t != nil {
		root := t.Root()
		want.Schema, want.Name, want.OID = root.Schema, root.Name, root.OID
	}
	reason := r.st.why
	if r.plan != nil && r.plan.blind[want.OID] != "" {
		want.Via, reason = journal.Cascade, r.plan.blind[want.OID]
	} else if r.plan != nil && r.plan.count != "" {
		reason = r.plan.count
	}
	switch {
	case reason == "":
	case strings.HasSuffix(why, anEstimate):
		why = reason + ": " + why
	default:
		why = reason
	}
	e := &rm.tables[rm.table(want)]
	e.Rows += n
	lacks(e, why)
	if t != nil {
		r.s.imageOf(r.w, t, "UTF8").without(why).note(e)
	}
}

// stepOf is the step that rows of a table come under whose keys are not known, -1 if there
// is none: those that the statement itself has removed it returned.
func (r *run) stepOf(t *catalog.Table) int {
	at := -1
	for i, st := range r.steps() { // empty unless capturing
		if t == nil || st.table != t && st.table != t.Root() {
			continue
		}
		if st.via == journal.Cascade {
			return i
		}
		if st.via == journal.Direct {
			at = i
		}
	}
	return at
}

// lacks notes why there are no keys. Where some of the number is an estimate, it says that.
func lacks(e *journal.Table, why string) {
	if e.KeysCaptured = false; !isEstimate(*e) {
		e.Why = why
	}
}

func (r *run) steps() []step {
	if !r.capturing() {
		return nil
	}
	return r.plan.steps
}

// temporary adds what left a temporary table, where its rule judges those: their
// counters are not read, the tag says how many.
func (r *run) temporary() {
	name := r.st.Target.Name
	if r.plan == nil || !r.plan.temporary || r.st.Update != nil || !r.s.rules.sheet.Rule(tempSchema, name).Temporary {
		return
	}
	var n int64
	if _, err := fmt.Sscanf(r.commandTag(), "DELETE %d", &n); err == nil && n > 0 {
		rm := &r.s.tx.removals
		rm.tables[rm.table(journal.Table{Schema: tempSchema, Name: name, OID: r.before.target, Via: journal.Direct, Why: "a temporary table"})].Rows += n
	}
}

// tempSchema is how temporary tables are named, whichever schema of the session's they are in.
const tempSchema = "pg_temp"

// foreign adds what left foreign tables, which the server's counters leave out:
// the tag says how many. What nothing counts is noted without a number.
func (r *run) foreign() {
	var n, counted int64
	why, rule := "", r.s.rules.strict()
	switch {
	case r.plan == nil && r.st.unseen:
		why = r.st.why
	case !r.tracked() && !r.sees() && !refuses(rule.Mode):
		why = "track_counts is off"
	}
	if why != "" {
		rm := &r.s.tx.removals
		rm.over, rm.rule = r.verb()+" may have removed rows that nobody could count: "+why, rule.Name
		rm.add(r.st.Text, r.commandTag())
	}
	far := r.far
	if r.plan != nil {
		far = r.plan.foreign
	}
	if far == 0 || r.capturing() {
		return
	}
	if _, err := fmt.Sscanf(r.commandTag(), "DELETE %d", &n); err != nil {
		return
	}
	for o, after := range r.after.tables {
		counted += after.deleted - r.before.tables[o].deleted
	}
	if n > counted {
		r.uncounted(far, n-counted, "a foreign table")
	}
}
