package guard

import (
	"context"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
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
		if r.probing && r.mayBeAllowed(ctx, v, removed) {
			return nil // whether it is shows when the numbers are exact
		}
		l, err := r.allowance(ctx, v, removed)
		if err != nil {
			return err
		}
		if l != nil {
			r.answer(v.rule, l)
			return nil
		}
	}
	switch v.rule.Mode {
	case policy.Hold:
		return r.hold(ctx, v, removed)
	case policy.Alert:
		rm := &r.s.tx.removals
		rm.over, rm.rule = r.verb()+" "+v.what, v.rule.Name
		r.answer(v.rule, nil)
		return nil
	}
	return r.refuse(ctx, v, removed)
}

func (r *run) refuse(ctx context.Context, v verdict, removed []journal.Table) error {
	return r.s.blocked(ctx, r.w, r.mark, refusal{verb: r.verb(), verdict: v, sql: r.st.Text, tables: removed})
}

// answer notes that a rule is answered for this statement; leave: by whose
// leave, nil if it merely alerts.
func (r *run) answer(rule *policy.Rule, leave *journal.Allowed) {
	if r.answered == nil {
		r.answered = map[string]*journal.Allowed{}
	}
	r.answered[rule.Name] = leave
}

// pardon notes, once the exact numbers are known, what went through by
// somebody's leave: it does not count against the transaction, nor in a window.
func (r *run) pardon(removed []journal.Table) {
	rm := &r.s.tx.removals
	for _, sh := range shares(r.s.rules.sheet, removed, rm.tables) {
		leave := r.answered[sh.rule.Name]
		if leave == nil {
			continue
		}
		if rm.pardoned == nil {
			rm.pardoned = map[string]int64{}
		}
		rm.pardoned[sh.rule.Name] = counted(sh.rule, sh.tx)
		r.s.j.windows.reserve(r.s.j.o.Now(), r.s.tx, sh.rule, r.s.rules.subject, sh.tx, counted(sh.rule, sh.tx))
		rm.allow(*leave, counted(sh.rule, sh.statement))
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
	switch {
	case st.functionCall:
		return "FunctionCall"
	case st.Update != nil:
		return "UPDATE"
	case st.Detach:
		return "DETACH PARTITION"
	case st.DropsColumn:
		return "DROP COLUMN"
	}
	switch st.Verb {
	case sqlparse.Delete:
		return "DELETE"
	case sqlparse.Truncate:
		return "TRUNCATE"
	case sqlparse.Drop:
		return "DROP"
	case sqlparse.Merge:
		return "MERGE"
	case sqlparse.Do:
		return "DO"
	case sqlparse.Call:
		return "CALL"
	}
	return "statement"
}
