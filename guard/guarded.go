package guard

import (
	"context"
	"errors"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/proxy"
)

// guarded prepares the run of a statement by its route: nil, if it turns out to
// need no judging. It returns errFailed if the statement has been refused.
// Only after Quiesce.
func (s *session) guarded(ctx context.Context, w proxy.Wire, st judged, describe func() ([]byte, error)) (*run, error) {
	r := &run{s: s, w: w, st: st, fetches: s.hazard()}
	if st.route != routeCapture {
		if err := r.aim(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.executes(ctx); err != nil {
		return nil, err
	}
	if r.st.route != routeTake {
		if err := r.askKinds(ctx, nil, false); err != nil {
			return nil, err
		}
	}
	if r.st.route == routeCount && r.st.CommitsItself && !s.inBlock(w) {
		if passes, err := r.mayEnd(ctx, describe != nil); passes || err != nil {
			return nil, err
		}
	}
	switch st = r.st; st.route {
	case routeRefuse:
		if st.CommitsItself && s.inBlock(w) { // it may not commit there: the server will say so
			return r, nil
		}
		if rule := s.rules.strict(); refuses(rule.Mode) && rule.Uncountable != policy.Allow {
			return nil, s.blocked(ctx, w, s.open(w).mark(""), refusal{verb: verbOf(st), sql: st.Text,
				verdict: verdict{rule: rule, limit: notRows, reason: uncountable, what: "is refused: it cannot be counted before it commits: " + st.why}})
		}
		if st.CommitsItself {
			if err := s.vouchForCall(ctx, w, st); err != nil {
				return nil, err
			}
		}
		if tx := s.open(w); st.Cursor {
			tx.fetchable, tx.holding = true, tx.holding || mayHold(st)
		}
		if st.OutsideTransaction {
			return nil, s.vouchForNothing(ctx, w, st)
		}
	case routeTake:
		ok, err := r.take(ctx)
		if err == nil {
			err = r.askKinds(ctx, nil, false)
		}
		if err != nil || !ok {
			return nil, err
		}
	case routeCapture:
		p, err := s.planFor(ctx, w, st, nil, describe)
		if err != nil {
			return nil, err
		}
		if p.pass && r.fetches {
			r.st.route, r.st.why = routeCount, fetching
			return r, nil
		}
		if p.pass {
			return nil, nil
		}
		r.plan = p
		if p.count != "" {
			r.st.why = p.count
		}
		if err := r.foresee(ctx, nil); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// planFor is plan, with its failures told to the client.
func (s *session) planFor(ctx context.Context, w proxy.Wire, st judged, old *plan, describe func() ([]byte, error)) (*plan, error) {
	p, err := s.plan(ctx, w, st, old, describe)
	if f := (*failure)(nil); errors.As(err, &f) {
		if err := w.Reply('E', shiftPosition(f.body, st.runes)); err != nil {
			return nil, err
		}
		return nil, errFailed
	}
	if errors.Is(err, errServer) {
		return nil, s.fault(w, err)
	}
	return p, err
}
