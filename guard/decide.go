package guard

import (
	"cmp"
	"context"
	"slices"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// rule acts on what is wrong with the statement, which has removed rows, until
// nothing is that nobody has answered for. errFailed: it is refused, and the client told.
func (r *run) rule(ctx context.Context, removed []journal.Table) error {
	for {
		v := r.judge(removed)
		if v.rule == nil {
			var err error
			if v, err = r.fraction(ctx, removed); err != nil {
				return r.fault(err)
			}
		}
		if v.rule == nil {
			return nil
		}
		if err := r.decide(ctx, v, removed); err != nil {
			return err
		}
	}
}

// decide acts on a verdict about the statement, which has removed rows or is
// about to: it lets it through by an allowance, notes that it alerts, asks an
// operator, or refuses it. Afterwards its rule is answered. errFailed: it is
// refused, and the client told.
func (r *run) decide(ctx context.Context, v verdict, removed []journal.Table) error {
	if v.rule == nil {
		return nil
	}
	if v.limit != notRows {
		if r.isAgreed(v, removed) {
			return nil
		}
		if r.probing && r.mayBeAllowed(ctx, v, removed) {
			return nil // whether it is shows when the numbers are exact
		}
		l, few, err := r.allowance(ctx, v, removed)
		if err != nil {
			return err
		}
		if l != nil {
			r.answer(v, l, removed)
			return nil
		}
		v = v.despite(few)
	}
	switch v.rule.Mode {
	case policy.Hold:
		return r.hold(ctx, v, removed)
	case policy.Alert:
		rm := &r.s.tx.removals
		rm.over, rm.rule = r.overall(v), v.rule.Name
		r.answer(v, nil, removed)
		return nil
	}
	return r.refuse(ctx, v, removed)
}

// overall is what people are told of a verdict that alerts, and of what was said
// of the statement's kind before.
func (r *run) overall(v verdict) string {
	kind := r.kind
	switch {
	case v.limit == notRows:
		r.kind = r.verb() + " " + v.what
		return r.kind
	case kind != "":
		return kind + ", and " + v.what
	}
	return r.verb() + " " + v.what
}

func (r *run) refuse(ctx context.Context, v verdict, removed []journal.Table) error {
	x := refusal{verb: r.verb(), verdict: v, sql: r.st.Text, tables: removed, need: r.needed(removed)}
	if r.weighing {
		r.doomed = &x
		return errFailed
	}
	return r.s.blocked(ctx, r.w, r.mark, x)
}

// answer says why a rule does not stop a statement that it would.
type answer struct {
	leave *journal.Allowed // whose leave it has; nil: the rule merely alerts
	rows  int64            // of the statement, for which that was given; policy.Unlimited: for whatever it removes
	drawn int64            // how many rows it takes of an allowance, until pardon notes them
}

// answer notes an answer to a verdict on rows that were removed, or are about to
// be. One to a verdict on the statement's kind is for no number of rows but those that were shown with it.
func (r *run) answer(v verdict, leave *journal.Allowed, removed []journal.Table) {
	if v.limit == notRows {
		if r.permitted == nil {
			r.permitted = map[string]*journal.Allowed{}
		}
		r.permitted[v.rule.Name] = leave
		r.agree(v, leave, removed)
		return
	}
	a := answer{leave: leave, rows: policy.Unlimited}
	if leave != nil {
		a.rows = r.shownTo(v, removed)
	}
	if leave != nil && leave.How == "allowance" {
		a.drawn = underRule(r.s.rules.sheet, v.rule, removed)
	}
	if r.answered == nil {
		r.answered = map[string]answer{}
	}
	r.answered[v.rule.Name] = a
}

// shownTo is how many rows a verdict showed to who answers it.
func (r *run) shownTo(v verdict, removed []journal.Table) int64 {
	if v.atLeast {
		return policy.Unlimited
	}
	return underRule(r.s.rules.sheet, v.rule, removed)
}

// covers reports whether the answer is for so many rows.
func (a answer) covers(rows int64) bool { return a.rows == policy.Unlimited || rows <= a.rows }

// isAnswered reports whether a rule has an answer for as many rows as a statement
// has removed: there may be more of them than when it was given.
func (r *run) isAnswered(sh share) bool {
	a, ok := r.answered[sh.rule.Name]
	return ok && a.covers(counted(sh.rule, sh.statement))
}

// underRule is how many of the rows count for a rule.
func underRule(sheet *policy.Sheet, rule *policy.Rule, tables []journal.Table) int64 {
	for _, sh := range shares(sheet, tables, nil) {
		if sh.rule == rule {
			return counted(rule, sh.statement)
		}
	}
	return 0
}

// drawn is how many rows the statement takes of an allowance for other rules than one.
func (r *run) drawn(id, but string) int64 {
	var n int64
	for rule, a := range r.answered {
		if rule != but && a.leave != nil && a.leave.ID == id {
			n += a.drawn
		}
	}
	return n
}

// pardon notes, once the exact numbers are known, what of the statement counts in
// windows, and what went through by somebody's leave: that does not, nor against the
// transaction. What the transaction removed before does: else each allowance of a row
// would open the limits anew.
func (r *run) pardon(removed []journal.Table) {
	rm, pardoned := &r.s.tx.removals, false
	rm.policy = r.s.rules.of
	for _, sh := range shares(r.s.rules.sheet, removed, rm.tables) {
		if by := r.permitted[sh.rule.Name]; by != nil {
			rm.allow(*by, 0)
		}
		if sh.rule.Mode == policy.Off {
			continue
		}
		if !rm.judged && slices.ContainsFunc(sh.statement, func(t journal.Table) bool { return t.Via != journal.Update }) {
			rm.judged, rm.as = true, r.s.rules.application
		}
		leave := r.answered[sh.rule.Name].leave
		if leave == nil {
			rm.count(rm.with(windowShares(sh.rule, r.s.subject(), sh.statement)))
			continue
		}
		pardoned = true
		if rm.pardoned == nil {
			rm.pardoned = map[pardonKey]int64{}
		}
		for _, t := range sh.statement {
			rm.pardoned[pardonKey{sh.rule.Name, t.Schema, t.Name}] += counted(sh.rule, []journal.Table{t})
		}
		rm.allow(*leave, counted(sh.rule, sh.statement))
	}
	if pardoned {
		r.s.recountWindows()
	}
}

// allow notes rows that went through by somebody's leave.
func (rm *removals) allow(l journal.Allowed, rows int64) {
	for i := range rm.allowed {
		if a := &rm.allowed[i]; a.How == l.How && a.ID == l.ID && a.Reason == l.Reason {
			a.Rows += rows
			return
		}
	}
	l.Rows = rows
	rm.allowed = append(rm.allowed, l)
}

// verb is the statement's, for people.
func (r *run) verb() string {
	if w := firstWord(r.commandTag()); w != "statement" {
		return w
	}
	return verbOf(r.st)
}

func verbOf(st judged) string {
	if st.functionCall {
		return "FunctionCall"
	}
	return cmp.Or(st.Kind(), "statement")
}
