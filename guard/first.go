package guard

import (
	"bytes"
	"context"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// Some statements must be the first of their transaction: those that the server runs in one
// of their own only (VACUUM), those that it refuses without a block (DECLARE CURSOR), for what
// comes second in a pipeline has one, and, since PostgreSQL 18, what commits by itself. A look at the
// catalog that is due before such a portal runs is made in front of its Bind: that is sent
// once more, as the statement is judged then. So it is where rowback may have run something
// for portals that were bound before, if the statement ends those.

// mustBeFirst is that by the statement's text.
func (st judged) mustBeFirst() bool {
	switch st.route {
	case routePlain, routeCount, routeRefuse:
		text := []byte(st.Text)
		return st.CommitsItself || sqlparse.Lonely(text) || sqlparse.Blockish(text) || sqlparse.Alone(text)
	}
	return false
}

// keepBind keeps the Bind of what must be first, if it is.
func (s *session) keepBind(p *portal, body []byte) {
	if s.hasRun || len(body) > maxProbed || !p.st.mustBeFirst() {
		return
	}
	if p.behind = s.hasBound; !p.behind || sqlparse.Alone([]byte(p.st.Text)) {
		p.first = bytes.Clone(body)
	}
}

// apart ends the transaction in which a portal that must be first is bound, and nothing has
// run, if there is something to look at before its Describe or Execute, or others are bound that
// it ends. nil: it goes on.
func (s *session) apart(ctx context.Context, w proxy.Wire, typ byte, body []byte) (*portal, error) {
	name, _, ok := cut(body)
	switch typ {
	case 'Q':
		if !s.hasBound || s.hasRun || s.asleep || !sqlparse.Alone(body) {
			return nil, nil
		}
		_, err := s.endBound(ctx, w)
		return nil, err
	case 'D':
		var kind byte
		if kind, name, ok = targetOf(body); kind != 'P' {
			return nil, nil
		}
	case 'E':
	default:
		return nil, nil
	}
	p := s.portals[string(short(name))]
	if !ok || p == nil || p.first == nil || p.closed || p.bound != s.exchange || s.hasRun || s.asleep || !(p.behind || s.mustLook(typ, body) || s.moreReach.any) {
		return nil, nil
	}
	if typ == 'E' && !s.fresh(p) || typ == 'D' && s.step != p.step {
		return nil, nil
	}
	ended, err := s.endBound(ctx, w)
	if !ended {
		return nil, err
	}
	p.behind = false
	s.portals.set(string(short(name)), p)
	return p, nil
}

// endBound ends an implicit transaction in which portals are bound, and nothing has run, and
// them, if it can.
func (s *session) endBound(ctx context.Context, w proxy.Wire) (bool, error) {
	failed, err := w.Quiesce(ctx)
	if err != nil || failed || w.TxStatus() != 'I' || w.Ignored() || s.lingers {
		return false, err
	}
	if s.tx != nil && (!s.tx.implicit || s.evident(s.tx.removals)) { // what is called when it is bound may delete
		return false, nil
	}
	if err := syncThrough(ctx, w); err != nil {
		return false, err
	}
	s.drop()
	s.forgetPortals()
	s.hasBound = false
	return true, nil
}

// bindAgain binds it behind that, as it is judged now. errFailed: the client has been told.
func (s *session) bindAgain(ctx context.Context, w proxy.Wire, p *portal) (err error) {
	now := *p.prepared
	s.judge(&now.st)
	if p.prepared, p.early = &now, nil; now.st.mayCommit() {
		if p.early, err = s.readEarly(ctx, w, now.st); err != nil {
			return err
		}
	}
	s.hasBound = true
	w.Send('B', p.first)
	w.Send('H', nil)
	typ, body, err := w.Receive(ctx)
	switch {
	case err != nil:
		return err
	case typ == '2':
		return nil
	}
	if err := w.Reply(typ, body); err != nil {
		return err
	}
	return errFailed
}
