package guard

import (
	"bytes"
	"context"
	"slices"

	"github.com/rowback/rowback/proxy"
)

// maxBatch and maxBatchBytes bound the runs of one exchange: the server's answers are
// read when all has been sent, so that must fit into a connection's buffers.
const (
	maxBatch      = 500
	maxBatchBytes = 32 << 10
)

// following are the further runs of the first one's statement which the client has
// already sent: Bind, Describe if any, Execute, as a batch in one pipeline has them.
// They go to the server with the first, instead of a round trip each. A statement
// that is judged before it runs, or by the server's counters, has none.
func (s *session) following(ctx context.Context, first *run) ([]*run, error) {
	st, h := first.st, first.bind
	switch {
	case h == nil || h.name != "" || !first.capturing() || first.plan.soft || first.plan.loose || first.plan.large(st) || len(first.answered)+len(first.permitted) > 0 || s.rules.holds || s.stale(),
		st.Returning || st.DDL || st.ChangesNames || st.Prepares, first.asksForRest():
		return nil, nil
	}
	if err := first.begin(ctx); err != nil {
		return nil, err
	}
	if ticket, err := s.ticket(ctx, first.w); err != nil {
		return nil, first.fault(err)
	} else if ticket != "" || !first.sees() {
		return nil, nil
	}
	var runs []*run
	used := 0
	for len(runs) < maxBatch {
		next, end := s.boundAhead(first.w, h.portal, used)
		if next == nil || end > maxBatchBytes {
			break
		}
		runs = append(runs, &run{s: s, w: first.w, st: st, plan: first.plan, bind: next, shift: first.shift})
		used = end
	}
	first.w.Skip(used)
	return runs, nil
}

// asksForRest: a rule asks the server what a statement has left, amid the answers to
// those that follow it.
func (r *run) asksForRest() bool {
	return slices.ContainsFunc(r.plan.steps, func(st step) bool { return r.s.rules.ruleFor(st.table).Fraction > 0 })
}

// boundAhead is a Bind of p's statement with its Execute, at a place in what the
// client has sent, and where they end; nil: something else is there, or nothing yet.
func (s *session) boundAhead(w proxy.Wire, p *portal, at int) (*heldBind, int) {
	typ, body, at, ok := w.Ahead(at)
	if !ok || typ != 'B' {
		return nil, 0
	}
	name, statement, params, formats, err := splitBind(body)
	if err != nil || name != "" || s.stmts[short(statement)] != p.prepared {
		return nil, 0
	}
	h := &heldBind{db: s.db, follows: true, params: params, portal: &portal{prepared: p.prepared, formats: formats, plan: p.plan, statement: statement, bound: s.exchange, step: s.step, sets: s.sets.before}}
	typ, body, at, ok = w.Ahead(at)
	if ok && typ == 'D' && bytes.Equal(body, target('P', "")) {
		h.described = true
		typ, body, at, ok = w.Ahead(at)
	}
	if !ok || typ != 'E' || len(body) != 5 || body[0] != 0 {
		return nil, 0
	}
	return h, at
}

// batch is bracket for several runs of one statement, the first with those that
// follow it. Each is judged in turn by what it returned, before the client hears of
// it. The counters are read around them all: what they add is the last one's.
func (r *run) batch(ctx context.Context, more []*run) error {
	w, s := r.w, r.s
	runs := append([]*run{r}, more...)
	last := runs[len(runs)-1]
	var timer meter
	timer.begin()
	q := r.countsQuery()
	if !r.exact() {
		sendQuery(w, q)
	}
	r.bind.prepare(w)
	for _, u := range runs {
		u.bind.bind(w)
		w.Send('E', executeBody(""))
	}
	w.Send('C', target('S', private))
	sendQuery(w, q)
	w.Send('H', nil)
	var before counts
	if !r.exact() {
		var err error
		if before, err = receiveCounts(ctx, w); err != nil {
			return r.fault(err)
		}
	}
	timer.statement()
	s.litter = true
	captured, cut := map[uint32]int64{}, map[uint32]int64{}
	for _, u := range runs {
		if err := u.returned(ctx); err != nil {
			return err
		}
		for o, n := range u.captured {
			captured[o] += n
		}
		for o, n := range u.cut {
			cut[o] += n
		}
		if u != last {
			u.after = counts{tracking: true, xid: s.tx.xid, started: s.started}
			u.before = u.after
			if err := u.verdict(ctx); err != nil {
				return err
			}
			if err := u.completed(); err != nil {
				return err
			}
		}
	}
	if err := receiveClosed(ctx, w); err != nil {
		return r.fault(err)
	}
	s.litter = false
	timer.counters()
	last.before, last.captured, last.cut, last.first, last.batched = before, captured, cut, r.first, true
	if err := last.readAfter(ctx); err != nil {
		return err
	}
	timer.end(s.j.o.Metrics, r.route())
	if r.exact() {
		last.before = last.after
	}
	if r.exact() && last.after.target != r.plan.target.OID { // which of them changed what the name means, nothing tells
		s.renames = true
		return r.outOfDate(ctx)
	}
	for _, u := range runs[:len(runs)-1] { // judged before that was known
		if u.after.encoding = last.after.encoding; u.misspelt() {
			removed := u.since()
			if v := s.uncaptured(removed); v.rule != nil {
				return last.refuse(ctx, v, removed)
			}
		}
	}
	if err := last.conclude(ctx, r); err != nil {
		return err
	}
	p := last.bind.portal
	p.done = true
	s.portals.set("", p)
	return last.completed()
}

// returned reads the answers to one of a batch, but for its end.
func (r *run) returned(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.bind.bound(ctx, r.w); err != nil {
		if rerr := r.s.tx.rewind(r.mark); rerr != nil {
			return rerr
		}
		return err
	}
	return r.receive(ctx)
}

// completed tells the client that the statement is complete.
func (r *run) completed() error {
	return r.w.Reply(r.end, append([]byte(r.commandTag()), 0))
}
