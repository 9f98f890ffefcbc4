package guard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rowback/rowback/proxy"
)

// prepared is a prepared statement of the client's that needs the guard. Under
// its name the server has the client's own text.
type prepared struct {
	st    judged
	types []byte // the parameter types of its Parse
	plan  *plan
}

// portal is bound to a prepared statement, or, with a capturing plan, to its
// captured form.
type portal struct {
	*prepared
	formats []uint16
	plan    *plan
	held    rowQueue // rows beyond the client's max_rows, already run
	done    bool     // it has run; what is left is held
}

func (p *portal) close() { p.held.close() }

func (p *portal) capturing() bool { return p.plan != nil && p.plan.count == "" && !p.plan.pass }

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
		s.prepared.seen(name, s.view) // the view may be newer than Wants knew
	}
	a, err := s.withCursors(ctx, w, s.analyse(w, text))
	if err != nil {
		return err
	}
	known := s.stmts[string(name)] != nil
	if len(a.stmts) != 1 || a.plain {
		if known {
			return s.parseKnown(ctx, w, string(name), nil)
		}
		w.Forward()
		return nil
	}
	p := &prepared{st: a.stmts[0], types: append([]byte(nil), types...)}
	if known || p.st.route != routeControl {
		return s.parseKnown(ctx, w, string(name), p)
	}
	s.stmts[string(name)] = p // if this Parse fails: control is judged by its tag
	w.Forward()
	return nil
}

func (s *session) parseKnown(ctx context.Context, w proxy.Wire, name string, p *prepared) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
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
		s.stmts[name] = p
	case typ == '1' || name == "":
		delete(s.stmts, name)
	}
	return w.Reply(typ, body)
}

// bind handles Bind: a capturing DELETE is bound in its captured form.
func (s *session) bind(ctx context.Context, w proxy.Wire, body []byte) error {
	name, stmt, params, formats, err := splitBind(body)
	if err != nil { // the server will say what is wrong with it
		w.Forward()
		return nil
	}
	if old := s.portals[name]; old != nil {
		old.close()
		delete(s.portals, name)
	}
	if err := s.relist(ctx, w); err != nil {
		return unlessFailed(err)
	}
	p := s.stmts[stmt]
	if p == nil {
		w.Forward()
		return nil
	}
	po := &portal{prepared: p, formats: formats}
	if p.st.route != routeCapture && p.st.route != routeCount {
		s.portals[name] = po
		w.Forward()
		return nil
	}
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed || w.TxStatus() == 'E' {
		w.Forward()
		return nil
	}
	if p.st.route == routeCount {
		s.portals[name] = po
		return s.bindCounted(ctx, w, body, po)
	}
	p.plan, err = s.planFor(ctx, w, p.st, p.plan, func() ([]byte, error) { return describeStatement(ctx, w, p.st.Text, p.types) })
	if err != nil {
		if errors.Is(err, errFailed) {
			return nil
		}
		return err
	}
	po.plan = p.plan
	s.portals[name] = po
	switch {
	case po.capturing():
	case p.st.why != "" && !p.plan.pass:
		return s.bindCounted(ctx, w, body, po)
	default:
		w.Forward()
		return nil
	}
	return s.bindCaptured(ctx, w, name, stmt, po, params)
}

func (s *session) bindCaptured(ctx context.Context, w proxy.Wire, name, stmt string, p *portal, params []byte) error {
	c := p.plan.captured
	formats := slices.Clone(p.formats)
	switch {
	case !p.st.Returning:
		formats = nil
	case len(formats) > 1:
		formats = append(formats, make([]uint16, c.Width)...)
	}
	w.Send('D', target('S', stmt)) // fails if the client's own statement is gone
	w.Send('C', target('S', private))
	w.Send('P', parseBody(private, c.SQL, p.types))
	w.Send('B', joinBind(name, private, params, formats))
	w.Send('C', target('S', private)) // the portal lives on without it
	w.Send('H', nil)
	for closed := 0; closed < 2; {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case '3':
			closed++
		case '2':
			if err := w.Reply(typ, body); err != nil {
				return err
			}
		case 'E':
			return w.Reply(typ, shiftPosition(body, -c.Shift))
		}
	}
	return nil
}

// describe handles Describe of a portal: of a captured one the client sees its own columns.
func (s *session) describe(ctx context.Context, w proxy.Wire, body []byte) error {
	name, _, _ := cut(body[1:])
	p := s.portals[string(name)]
	if p == nil || !p.capturing() {
		w.Forward()
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

// execute handles Execute of a portal that needs the guard.
func (s *session) execute(ctx context.Context, w proxy.Wire, body []byte) error {
	name, rest, ok := cut(body)
	p := s.portals[string(name)]
	if !ok || len(rest) != 4 || p == nil {
		w.Forward()
		return nil
	}
	if p.st.route == routeControl && s.tx == nil && !finishesPrepared(p.st.Verb) {
		// Nothing to judge. Should it fail, the server discards the rest up to Sync.
		w.Forward()
		return s.afterControl(ctx, p.st, "", nil, false)
	}
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed {
		w.Forward()
		return nil
	}
	max := int(binary.BigEndian.Uint32(rest))
	switch {
	case p.st.route == routeControl:
		return s.executeControl(ctx, w, p)
	case p.done:
		return p.more(w, max)
	case w.TxStatus() == 'E' || p.plan != nil && p.plan.pass || p.st.route == routePlain:
		return s.executePlain(ctx, w, p)
	}
	r := &run{s: s, w: w, st: p.st, plan: p.plan}
	if p.st.route != routeCapture {
		if r, err = s.guarded(ctx, w, p.st, nil); err != nil {
			return unlessFailed(err)
		}
		if r == nil {
			return s.executePlain(ctx, w, p)
		}
	} else if p.plan.count != "" {
		r.st.why = p.plan.count
	}
	send := func() { w.Send('E', body) }
	if r.capturing() {
		r.shift = -p.plan.captured.Shift
		send = func() { w.Send('E', executeBody(string(name))) } // it runs to its end whatever max_rows is
		if max > 0 && p.st.Returning {
			r.rows = p.held.add
		}
	}
	if err := r.bracket(ctx, send); err != nil {
		return unlessFailed(err)
	}
	s.changed(p.st)
	if r.capturing() && max > 0 && p.st.Returning {
		p.done = true
		return p.more(w, max)
	}
	if r.capturing() {
		return w.Reply(r.end, append([]byte(r.commandTag()), 0))
	}
	return w.Reply(r.end, r.tag)
}

// more gives the client up to max (0: all) of the rows held for it.
func (p *portal) more(w proxy.Wire, max int) error {
	for n := 0; max == 0 || n < max; n++ {
		row, ok, err := p.held.next()
		if err != nil {
			return err
		}
		if !ok { // the tag counts the rows of this portion, as the server's does
			return w.Reply('C', fmt.Appendf(nil, "DELETE %d\x00", n))
		}
		if err := w.Reply('D', row); err != nil {
			return err
		}
	}
	return w.Reply('s', nil)
}

// executePlain executes a portal that needs no judging now, and notes what it changed.
func (s *session) executePlain(ctx context.Context, w proxy.Wire, p *portal) error {
	if !p.st.DDL && !p.st.ChangesNames && !p.st.Prepares {
		w.Forward()
		return nil
	}
	w.Forward()
	w.Send('H', nil)
	_, err := answers(ctx, w, judged{Statement: p.st.Statement}, w.Reply)
	if err != nil {
		return unlessFailed(err)
	}
	s.changed(p.st)
	return nil
}

func (s *session) executeControl(ctx context.Context, w proxy.Wire, p *portal) error {
	e, err := s.beforeControl(ctx, w, p.st, w.TxStatus() == 'E')
	if err != nil {
		return unlessFailed(err)
	}
	w.Forward()
	w.Send('H', nil)
	tag, err := answers(ctx, w, judged{Statement: p.st.Statement, route: routeControl}, w.Reply)
	if err != nil && !errors.Is(err, errFailed) {
		return err
	}
	return s.afterControl(ctx, p.st, tag, e, err != nil)
}

// closeNamed handles Close.
func (s *session) closeNamed(w proxy.Wire, body []byte) error {
	name, _, _ := cut(body[1:])
	if body[0] == 'P' {
		if p := s.portals[string(name)]; p != nil {
			p.close()
			delete(s.portals, string(name))
		}
	}
	// A statement is kept in mind, because after an error the server discards the
	// Close; whether it is still there is asked at Bind.
	w.Forward()
	return nil
}

// functionCall counts a call of a function that is not PostgreSQL's own.
func (s *session) functionCall(ctx context.Context, w proxy.Wire, body []byte) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed || len(body) < 4 || oid(body) < firstUserOID || w.TxStatus() == 'E' {
		w.Forward()
		return nil
	}
	number := strconv.FormatUint(uint64(oid(body)), 10)
	rows, err := lookup{w: w}.Query(ctx, "SELECT pg_catalog.lower(proname::pg_catalog.text) FROM pg_catalog.pg_proc WHERE oid OPERATOR(pg_catalog.=) "+number)
	if errors.Is(err, errServer) {
		err = s.fault(w, err)
		w.Send('S', nil)
		return unlessFailed(err)
	}
	if err != nil {
		return err
	}
	why := s.view.snap.Reach.Everything
	if len(rows) == 1 && why == "" {
		why = string(s.view.snap.Reach.Names[text(rows[0][0])])
	}
	if why == "" || s.j.policy().Mode != Block || s.j.policy().Uncountable == Allow {
		w.Forward()
		return nil
	}
	err = s.blocked(ctx, w, s.open(w).mark(""), "FunctionCall", "is refused: it cannot be counted before it commits ("+why+"); call the function with SELECT", "FunctionCall "+number, nil)
	if !errors.Is(err, errFailed) {
		return err
	}
	w.Send('S', nil) // the server answers a FunctionCall with ReadyForQuery
	return nil
}

// unlessFailed: the client has been told, the session goes on.
func unlessFailed(err error) error {
	if errors.Is(err, errFailed) {
		return nil
	}
	return err
}
