package guard

import (
	"context"

	"github.com/rowback/rowback/journal"
)

// askKinds asks an operator about the statement's kind, for each rule that holds it for
// that. counted: removed are its rows, as they were counted ahead, and the answer is for
// so many of them, too: one question. errFailed: it is refused, and the client told.
func (r *run) askKinds(ctx context.Context, removed []journal.Table, counted bool) error {
	for len(r.kinds) > 0 {
		v := r.kinds[0]
		r.kinds = r.kinds[1:]
		if v.uncounted = !counted; counted {
			v = r.withRows(v, removed)
		}
		if err := r.begin(ctx); err != nil {
			return err
		}
		if err := r.decide(ctx, v, removed); err != nil {
			return err
		}
	}
	return nil
}

// withRows is a verdict on the statement's kind that says how many rows of its rule go, and which limit that is over.
func (r *run) withRows(v verdict, removed []journal.Table) verdict {
	for _, sh := range shares(r.s.rules.sheet, removed, r.s.tx.gone()) {
		if sh.rule != v.rule {
			continue
		}
		v.share, v.atLeast = sh.statement, r.atLeast
		if of := r.judgeShare(sh, removed); of.rule != nil {
			v.what += ", and " + of.what
			return v
		}
		words := tensed(v.rule, sh.statement).remove
		if r.atLeast {
			words += " at least"
		}
		rows, _ := partOf(v.rule, sh.statement, removed)
		v.what += ", and " + words + " " + rows
		return v
	}
	v.what += ", and would remove no rows"
	return v
}

// agree notes the answer to a verdict on the statement's kind: it is for the rows, too, that were shown with it.
func (r *run) agree(v verdict, leave *journal.Allowed, removed []journal.Table) {
	if leave == nil || v.uncounted {
		return
	}
	if r.agreed == nil {
		r.agreed = map[string]answer{}
	}
	r.agreed[v.rule.Name] = answer{leave: leave, rows: r.shownTo(v, removed)}
}

// isAgreed reports whether the answer to the statement's kind is for the rows of a verdict, which it then answers.
func (r *run) isAgreed(v verdict, removed []journal.Table) bool {
	a, ok := r.agreed[v.rule.Name]
	if !ok || !a.covers(underRule(r.s.rules.sheet, v.rule, removed)) {
		return false
	}
	r.answer(v, a.leave, removed)
	return true
}
