package guard

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/rowback/rowback/proxy"
)

// execute handles Execute of a portal that needs the guard.
func (s *session) execute(ctx context.Context, w proxy.Wire, body []byte) error {
	name, rest, ok := cut(body)
	p := s.portals[string(short(name))]
	switch {
	case !ok || p != nil:
	case s.hazard(): // what it calls may fetch
		p = unknown(string(name), "a portal while a cursor is open that may delete")
	case !ascii(name):
		p = unknown(string(name), "a portal whose name is not ASCII")
	}
	if !ok || len(rest) != 4 || p == nil {
		w.Forward()
		return nil
	}
	if s.passesBound(p) {
		w.Forward()
		return s.afterControl(ctx, p.st, "", nil, false)
	}
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed {
		s.heldBind = nil
		w.Forward()
		return nil
	}
	max := int(binary.BigEndian.Uint32(rest))
	fresh := s.fresh(p)
	if p.step = s.step; !fresh && !s.aborted(w) && (p.st.route == routeControl || p.capturing()) {
		if p, err = s.actual(ctx, w, string(name), p); err != nil {
			return unlessFailed(err)
		}
	}
	if p.st.route == routeControl {
		return s.executeControl(ctx, w, string(name), body, p, fresh)
	}
	return s.executeJudged(ctx, w, string(name), body, p, max)
}

// executeJudged is execute of what does not control transactions. Only after Quiesce.
func (s *session) executeJudged(ctx context.Context, w proxy.Wire, name string, body []byte, p *portal, max int) (err error) {
	if p.done {
		return unlessFailed(s.again(ctx, w, name, p, max))
	}
	p.running = true
	defer func() { p.running = false }()
	st, plan, fetches := p.st, p.plan, s.hazardBeside(p)
	if fetches && plan != nil && plan.pass {
		st.route, plan = routePlain, nil
	}
	if fetches {
		st = st.fetches()
	}
	if s.aborted(w) || plan != nil && plan.pass || st.route == routePlain || s.misplaced(w, st) {
		return s.executePlain(ctx, w, p)
	}
	r := &run{s: s, w: w, st: st, plan: plan, bind: s.heldBind, portal: name, fetches: fetches}
	if r.capturing() {
		r.shift = -p.plan.captured.Shift
	}
	s.heldBind = nil
	if st.route != routeCapture {
		if r, err = s.guarded(ctx, w, st, nil); err != nil {
			return unlessFailed(err)
		}
		if r == nil {
			return s.executePlain(ctx, w, p)
		}
		r.portal = name
	} else {
		if p.plan.count != "" {
			r.st.why = p.plan.count
		}
		if err := r.foresee(ctx, p); err != nil {
			return unlessFailed(err)
		}
	}
	if p.bound == s.exchange && !s.hasRun {
		r.early = p.early
	}
	send := func() { w.Send('E', body) }
	if r.capturing() && p.plan.worded && (p.bound != s.exchange || p.sets != s.sets.before) {
		now, err := s.encoding(ctx, w)
		if errors.Is(err, errServer) {
			err = s.fault(w, err)
		}
		if err != nil {
			return unlessFailed(err)
		}
		if now != p.plan.encoding { // set since it was bound
			s.epoch++
			return unlessFailed(s.refuse(ctx, w, changedError()))
		}
	}
	more, err := s.following(ctx, r)
	if err != nil {
		return unlessFailed(err)
	}
	if r.setsNothing() {
		s.sets.with--
	}
	if len(more) > 0 {
		return unlessFailed(r.batch(ctx, more))
	}
	if r.capturing() {
		send = func() { w.Send('E', executeBody(name)) } // it runs to its end whatever max_rows is
		if max > 0 && p.st.Returning {
			p.held.of, r.rows = s.info.Memory, p.held.add
		}
	}
	if err := r.bracket(ctx, send); err != nil {
		return unlessFailed(err)
	}
	s.changed(st)
	p.ran = r.end == 'C'
	p.done = r.capturing() && (max > 0 || !p.st.Returning)
	if p.done && p.st.Returning {
		return p.more(w, max)
	}
	if r.capturing() {
		return r.completed()
	}
	return w.Reply(r.end, r.tag)
}

// again executes a captured portal that has run, if the server still has it.
func (s *session) again(ctx context.Context, w proxy.Wire, name string, p *portal, max int) error {
	w.Send('E', executeBody(name))
	w.Send('H', nil)
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		switch {
		case typ == 'E', typ == 'I': // another one, in which nothing is, has taken its place
			return w.Reply(typ, body)
		case typ == 'C' && p.st.Returning:
			return p.more(w, max)
		case typ == 'C': // the server runs it once, its captured form returns no more rows
			return s.refuse(ctx, w, ranError(name))
		}
	}
}

// more gives the client up to max (0: all) of the rows held for it.
func (p *portal) more(w proxy.Wire, max int) error {
	for n := 0; max == 0 || n < max; n++ {
		row, ok, err := p.held.next()
		if err != nil {
			return err
		}
		if !ok { // the tag counts the rows of this portion, as the server's does
			return w.Reply('C', fmt.Appendf(nil, "%s %d\x00", verbOf(p.st), n))
		}
		if err := w.Reply('D', row); err != nil {
			return err
		}
	}
	p.held.rests()
	return w.Reply('s', nil)
}

// executePlain executes a portal that needs no judging now, and notes what it changed.
func (s *session) executePlain(ctx context.Context, w proxy.Wire, p *portal) (err error) {
	asks := false
	if !s.aborted(w) {
		if asks, err = s.vouch(ctx, w, p.st); err != nil {
			return unlessFailed(err)
		}
	}
	w.Forward()
	if !p.st.DDL && !p.st.ChangesNames && !p.st.Prepares && s.outside == nil && !asks {
		return nil
	}
	w.Send('H', nil)
	complete := w.Reply
	if asks {
		complete = func(typ byte, body []byte) error {
			body = bytes.Clone(body)
			if err := s.goesOn(ctx, w); err != nil {
				return err
			}
			return w.Reply(typ, body)
		}
	}
	_, err = answers(ctx, w, judged{Statement: p.st.Statement}, complete)
	s.finished(ctx, err)
	if err != nil {
		return unlessFailed(err)
	}
	s.changed(p.st)
	return nil
}

func (s *session) executeControl(ctx context.Context, w proxy.Wire, name string, body []byte, p *portal, fresh bool) error {
	e, err := s.beforeControl(ctx, w, p.st, s.aborted(w))
	if err == nil && e != nil && s.hazard() { // a deferred trigger may have opened another in its place
		is, err := s.actual(ctx, w, name, p)
		if err != nil || is != p {
			s.doubt()
		}
		if err == nil && is != p {
			return s.executeJudged(ctx, w, name, body, is, 0)
		}
		if err != nil {
			return unlessFailed(err)
		}
	}
	if err != nil {
		return unlessFailed(err)
	}
	w.Forward()
	w.Send('H', nil)
	tag, err := answers(ctx, w, judged{Statement: p.st.Statement, route: routeControl}, w.Reply)
	if err != nil && !errors.Is(err, errFailed) {
		return err
	}
	if (!fresh || p.bound != s.exchange) && (err != nil || !controls[tag]) {
		if e != nil { // it was something else that ran: the server is asked what became of the rows
			s.doubt()
		}
		return nil
	}
	return s.afterControl(ctx, p.st, tag, e, err != nil)
}

// controls are the tags of what begins and ends transactions, or a part of one.
var controls = map[string]bool{"BEGIN": true, "START TRANSACTION": true, "COMMIT": true, "ROLLBACK": true, "SAVEPOINT": true, "RELEASE": true,
	"PREPARE TRANSACTION": true, "COMMIT PREPARED": true, "ROLLBACK PREPARED": true}

// unlessFailed: the client has been told, the session goes on.
func unlessFailed(err error) error {
	if errors.Is(err, errFailed) {
		return nil
	}
	return err
}
