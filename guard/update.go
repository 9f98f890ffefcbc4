package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// planUpdate plans an UPDATE of p.target: passed, if its rule does not count
// it; else counted by its tag, or captured, if it marks rows as deleted.
func (s *session) planUpdate(ctx context.Context, w proxy.Wire, st judged, p *plan, describe func() ([]byte, error)) error {
	t := p.target
	rule := s.rules.ruleFor(t)
	soft := softly(st, rule)
	switch {
	case rule.Mode == policy.Off, t.Temporary && !rule.Temporary, !rule.Updates && !rule.Refuses(policy.Update) && len(soft) == 0:
		p.pass = true
		return nil
	case len(soft) == 0:
		p.count = "an UPDATE"
		return nil
	case t.Kind == 'v':
		p.count = "a view"
		return nil
	case len(t.Key) == 0:
		p.count = "the table has no primary key or unique not-null key"
		return nil
	}
	reached := catalog.Step{Table: t, Parent: -1}
	unreadable, _, err := s.barred(ctx, w, []catalog.Step{reached})
	if err != nil {
		return err
	}
	if unreadable[t.OID] {
		p.count = s.mayNotRead(t)
		return nil
	}
	p.capture = sqlparse.Capture{HexText: p.encoding != "UTF8", Steps: []sqlparse.Step{captureStep(reached)}, Soft: typed(t, soft)}
	p.captured, err = st.Capture(p.capture)
	if errors.Is(err, sqlparse.ErrShape) || errors.Is(err, sqlparse.ErrKeyType) {
		p.count, err = err.Error(), nil
	} else if err == nil {
		_, err = p.crowded(st, describe)
	}
	marked := newStep(reached)
	marked.via, marked.soft, marked.set = journal.SoftDelete, soft, besides(st, soft)
	p.steps, p.soft, p.updates = []step{marked}, true, rule.Updates
	return err
}

// softly are the columns by which an UPDATE marks rows as deleted, by a rule.
func softly(st judged, rule *policy.Rule) []string {
	var out []string
	for _, set := range st.Update.Sets {
		if !set.Clears && slices.Contains(rule.SoftDelete, set.Column) && !slices.Contains(out, set.Column) {
			out = append(out, set.Column)
		}
	}
	return out
}

// besides are the other columns that it sets.
func besides(st judged, soft []string) (out []string) {
	for _, set := range st.Update.Sets {
		if !slices.Contains(soft, set.Column) && !slices.Contains(out, set.Column) {
			out = append(out, set.Column)
		}
	}
	return out
}

// ruleFor is the rule that a table falls under; nil: one that is not known.
func (r *rules) ruleFor(t *catalog.Table) *policy.Rule {
	if t == nil {
		return r.sheet.Rule("", "")
	}
	root := t.Root()
	return r.sheet.Rule(root.Schema, root.Name)
}

// updates adds the rows that an UPDATE changed, where its rule counts them.
func (r *run) updates() {
	if r.updatesUnseen() {
		r.updatesInside()
	}
	if r.st.Update == nil || r.capturing() {
		return
	}
	t := r.target
	if r.plan != nil {
		t = r.plan.target
	}
	var n int64
	if _, err := fmt.Sscanf(r.commandTag(), "UPDATE %d", &n); err != nil || n == 0 {
		return
	}
	want := journal.Table{Schema: r.st.Update.Target.Schema, Name: r.st.Update.Target.Name, Via: journal.Update}
	if t != nil {
		root := t.Root()
		want.Schema, want.Name, want.OID = root.Schema, root.Name, root.OID
	}
	rule := r.s.rules.sheet.Rule(want.Schema, want.Name)
	switch {
	case rule.Mode == policy.Off, t != nil && t.Temporary && !rule.Temporary:
		return
	case len(softly(r.st, rule)) > 0: // at most so many
		want.Via, want.Why = journal.SoftDelete, r.st.why
		if r.plan != nil {
			want.Why = r.plan.count
		}
	case !rule.Updates || r.st.Update.Others: // … are in the counters
		return
	}
	rm := &r.s.tx.removals
	rm.tables[rm.table(want)].Rows += n
}

// updatesUnseen: rows are changed by other statements than one whose tag tells how many.
func (r *run) updatesUnseen() bool {
	return r.st.UpdatesInside && (r.st.Update == nil || r.st.Update.Others)
}

// updatesInside adds the rows that statements inside another one changed.
func (r *run) updatesInside() {
	rm := &r.s.tx.removals
	for o, after := range r.after.tables {
		n := after.changed - r.before.tables[o].changed
		t := r.s.view.snap.Tables[o]
		if n <= 0 || t == nil {
			continue
		}
		if rule := r.s.rules.ruleFor(t); rule.Updates && rule.Mode != policy.Off {
			root := t.Root()
			rm.tables[rm.table(journal.Table{Schema: root.Schema, Name: root.Name, OID: root.OID, Via: journal.Update})].Rows += n
		}
	}
}
