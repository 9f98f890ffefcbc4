package guard

import (
	"context"
	"errors"
	"strconv"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// byName is a map that takes no room before there is something in it: sessions are many.
type byName[T any] map[string]T

func (m *byName[T]) set(name string, v T) {
	if *m == nil {
		*m = byName[T]{}
	}
	(*m)[name] = v
}

// prepared is a prepared statement of the client's that needs the guard. Under
// its name the server has the client's own text.
type prepared struct {
	st    judged
	types []byte // the parameter types of its Parse
	plan  *plan
	// closed: a Close of it was sent on, which the server may have discarded.
	closed bool
}

// snapshotless: it ends or begins a transaction, or a part of one, or sets something; but
// before what commits the catalog is looked at, for the triggers that are deferred until then.
func (p *prepared) snapshotless() bool {
	switch {
	case p == nil, p.st.Verb == sqlparse.Commit, p.st.Verb == sqlparse.PrepareTransaction:
		return false
	}
	return p.st.route == routeControl || sqlparse.Snapshotless([]byte(p.st.Text))
}

// maxProbed bounds the parameters kept for a probe, in bytes.
const maxProbed = 1 << 20

// parse handles Parse. It is forwarded as it is; whether it succeeded must be
// known, or an old statement of that name could be mistaken for the new.
func (s *session) parse(ctx context.Context, w proxy.Wire, body []byte) error {
	name, rest, _ := cut(body)
	text, types, ok := cut(rest)
	if !ok {
		w.Forward()
		return nil
	}
	if len(name) == 0 {
		s.prepared.seen(name, s.view, s.unlessFirst()) // the view may be newer than Wants knew
	}
	a, err := s.analyse(ctx, w, text)
	if err != nil {
		return unlessFailed(err)
	}
	named := string(short(name))
	known := s.stmts[named] != nil
	if len(a.stmts) != 1 || a.plain && !s.hazard() {
		if known {
			return s.parseKnown(ctx, w, named, nil, body)
		}
		if named != "" && sqlparse.Snapshotless(text) {
			return s.parseQuiet(ctx, w, named)
		}
		w.Forward()
		return nil
	}
	p := &prepared{st: a.stmts[0], types: append([]byte(nil), types...)}
	if known || p.st.route != routeControl || named != "" || !s.wasClean {
		return s.parseKnown(ctx, w, named, p, body)
	}
	s.stmts.set(named, p)
	w.Forward()
	return nil
}

func (s *session) parseKnown(ctx context.Context, w proxy.Wire, name string, p *prepared, body []byte) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	hazard := s.hazard() && !p.snapshotless()
	if p != nil && (hazard || p.st.why != "" && s.view.snap.Reach.Types) && !failed && !s.aborted(w) {
		return unlessFailed(s.parseCounted(ctx, w, name, p, body))
	}
	w.Forward()
	if failed {
		return nil
	}
	w.Send('H', nil)
	typ, body, err := w.Receive(ctx)
	if err != nil {
		return err
	}
	switch {
	case typ == '1' && p != nil:
		s.stmts.set(name, p)
	case typ == '1' || name == "":
		delete(s.stmts, name)
	}
	return w.Reply(typ, body)
}

// parseCounted parses a statement that may delete when it is parsed, see Reach.Types, or
// fetch from what does.
func (s *session) parseCounted(ctx context.Context, w proxy.Wire, name string, p *prepared, body []byte) error {
	r := &run{s: s, w: w, st: p.st, until: '1', portal: private}
	if r.st.CopyIn = false; r.st.why == "" {
		r.st.why = fetching
	}
	err := r.bracket(ctx, func() { w.Send('P', body) })
	if r.end != 'E' { // also where it was refused then, a name outlives its transaction
		s.stmts.set(name, p)
	} else if name == "" {
		delete(s.stmts, name)
	}
	return err
}

// judgedNow is a prepared statement that needs the guard, nil if it does not. A DELETE
// that was judged while the catalog could not be looked at is judged by what that is
// now. Of anything else the counting is as good.
func (s *session) judgedNow(name string) *prepared {
	p := s.stmts[short(name)]
	if p == nil || p.st.why != notLooked || p.st.route != routeCapture || s.view == nil || s.view.uncertain {
		return p
	}
	now := *p
	s.judge(&now.st)
	s.stmts.set(name, &now)
	return &now
}

// bind handles Bind: a capturing DELETE is bound in its captured form.
func (s *session) bind(ctx context.Context, w proxy.Wire, body []byte) error {
	name, stmt, params, formats, err := splitBind(body)
	if err != nil { // the server will say what is wrong with it
		w.Forward()
		return nil
	}
	p := s.stmts[short(stmt)]
	hazard := s.hazard() && !s.snapshotless('B', body)
	if !p.snapshotless() {
		if err := s.relist(ctx, w); err != nil {
			return unlessFailed(err)
		}
		p = s.judgedNow(stmt)
	}
	switch {
	case p == nil && !ascii(stmt):
		p = unknownStatement("(prepared statement "+strconv.Quote(stmt)+")", "a prepared statement whose name is not ASCII")
	case p == nil && hazard: // what it calls while it is planned may fetch
		p = unknownStatement("(prepared statement "+strconv.Quote(stmt)+")", fetching)
	case p != nil && hazard && p.st.route == routePlain:
		counted := *p
		counted.st = p.st.fetches()
		p = &counted
	case p != nil && p.st.inert(): // it was prepared while there was one
		delete(s.stmts, short(stmt))
		p = nil
	case p != nil && p.st.route == routeCapture && (!ascii(name) || len(brief(stmt)) > maxBrief): // under another name the client would see what is captured
		counted := *p
		counted.st.route, counted.st.why = routeCount, "a name that is not ASCII"
		p = &counted
	}
	old := s.portals[short(name)]
	if old != nil {
		if w.TxStatus() == 'E' && (p == nil || !exits(p.st.Verb)) {
			if failed, err := w.Quiesce(ctx); err != nil {
				return err
			} else if failed || s.aborted(w) { // it is refused, and what is there stays
				w.Forward()
				return nil
			}
		}
		if old.waits() && (name != "" || p == nil || p.st.why == "") { // else what is called on the way is counted, and then what is there
			if replaced, err := s.rebind(ctx, w, name, body); err != nil || !replaced {
				return unlessFailed(err)
			}
		}
		old.close()
		delete(s.portals, short(name))
	}
	if p == nil {
		w.Forward()
		return nil
	}
	po := &portal{prepared: p, formats: formats, statement: stmt, bound: s.exchange, step: s.step, sets: s.sets.before}
	if s.rules.holds && len(params) <= maxProbed {
		po.params = append([]byte{}, params...)
	}
	s.keepBind(po, body)
	commits := p.st.mayCommit()
	if p.st.route != routeCapture && p.st.route != routeCount && !commits {
		s.portals.set(short(name), po)
		w.Forward()
		return nil
	}
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed || s.aborted(w) {
		w.Forward()
		return nil
	}
	if s.alone(w) {
		s.forgetPortals()
	}
	if commits {
		s.portals.set(short(name), po)
		if !s.hasBound {
			if po.early, err = s.readEarly(ctx, w, p.st); err != nil {
				return unlessFailed(err)
			}
		}
		if p.st.route != routeCount || po.early != nil { // what that Bind calls comes behind the early reading
			w.Forward()
			return nil
		}
	}
	if p.st.route == routeCount {
		s.portals.set(short(name), po)
		err := s.bindCounted(ctx, w, name, body, po)
		if errors.Is(err, errFailed) && old != nil && old.capturing() { // it may be there, for who describes it
			old.done = true
			s.portals.set(short(name), old)
		}
		return unlessFailed(err)
	}
	p.plan, err = s.planFor(ctx, w, p.st, p.plan, func() ([]byte, error) { return describeStatement(ctx, w, p.st.Text, p.types) })
	if err != nil {
		if errors.Is(err, errFailed) {
			return nil
		}
		return err
	}
	po.plan = p.plan
	if po.params == nil && len(params) <= maxProbed && p.plan.large(p.st) {
		po.params = append([]byte{}, params...)
	}
	s.portals.set(short(name), po)
	switch {
	case po.capturing():
	case p.st.why != "" && !p.plan.pass:
		return unlessFailed(s.bindCounted(ctx, w, name, body, po))
	default:
		w.Forward()
		return nil
	}
	s.heldBind = &heldBind{db: s.db, portal: po, name: name, params: append([]byte(nil), params...)}
	return nil
}

// rebind reports whether a Bind takes the place of a portal that may yet delete, which it
// mostly does not where that has a name. One that fails leaves the portal to who goes back
// to a savepoint.
func (s *session) rebind(ctx context.Context, w proxy.Wire, name string, body []byte) (bool, error) {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return false, err
	}
	if failed {
		w.Forward()
		return false, nil
	}
	w.Send('B', body)
	w.Send('H', nil)
	typ, answer, err := w.Receive(ctx)
	if err != nil {
		return false, err
	}
	if typ != '2' {
		return false, w.Reply(typ, answer)
	}
	w.Send('C', target('P', brief(name)))
	w.Send('H', nil)
	if err = receiveClosed(ctx, w); errors.Is(err, errServer) { // a cancel request came just then
		err = s.fault(w, err)
	}
	return err == nil, err
}

// describe handles Describe of a portal: of a captured one the client sees its own columns.
func (s *session) describe(ctx context.Context, w proxy.Wire, body []byte) error {
	_, name, ok := targetOf(body)
	p := s.portals[string(short(name))]
	if !ok || p == nil || !p.capturing() {
		w.Forward()
		return nil
	}
	if h := s.heldBind; h != nil {
		h.described = true
		return nil
	}
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	w.Forward()
	if failed {
		return nil
	}
	w.Send('H', nil)
	typ, answer, err := w.Receive(ctx)
	switch {
	case err != nil:
		return err
	case typ == 'E' && !p.st.Returning && s.aborted(w) && errorCode(answer) == "25P02":
		return s.describesNothing(ctx, w)
	case typ != 'T':
		return w.Reply(typ, answer)
	case !p.st.Returning:
		return w.Reply('n', nil)
	case p.plan.captured.Wrapped:
		return w.Reply('T', withFormats(p.plan.fields, p.formats))
	}
	first, _, err := firstFields(answer, p.plan.captured.Width)
	if err != nil {
		return err
	}
	return w.Reply('T', first)
}

// closeNamed handles Close.
func (s *session) closeNamed(ctx context.Context, w proxy.Wire, body []byte) error {
	kind, name, ok := targetOf(body)
	if !ok { // the server will say what is wrong with it
		w.Forward()
		return nil
	}
	name = short(name)
	if kind == 'P' {
		if p := s.portals[string(name)]; p != nil {
			if p.fetchable(string(name)) || w.TxStatus() == 'E' { // a savepoint may bring it back, or a Describe ask for it, where the server discards this
				failed, err := w.Quiesce(ctx)
				if err != nil {
					return err
				}
				if failed {
					w.Forward()
					return nil
				}
			}
			p.close()
			delete(s.portals, string(name))
		}
	}
	if p := s.stmts[string(name)]; kind == 'S' && p != nil {
		p.closed, p.plan = true, nil
	}
	// A statement is kept in mind, because after an error the server discards the
	// Close; whether it is still there is asked at Bind.
	w.Forward()
	return nil
}
