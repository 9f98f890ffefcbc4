package guard

import (
	"bytes"
	"context"
)

// What begins and ends transactions in which nothing was removed needs no exchange
// of the guard's own: it is noted in passing, by Wants, and goes on as it is.

// passes reports whether a transaction-control statement is let through as it is,
// whatever comes of it. Should it fail, the server discards the rest up to Sync.
func (s *session) passes(st judged) bool {
	return st.route == routeControl && s.tx == nil && !finishesPrepared(st.Verb)
}

// passesBound is passes for a portal.
func (s *session) passesBound(p *portal) bool {
	return s.passes(p.st) && p.bound == s.exchange && s.fresh(p)
}

// passing is the lone statement of a text that is known to pass, nil if there is none.
// What is on its way is to be noted first.
func (s *session) passing(text []byte) *judged {
	if s.tx != nil || s.heldBind != nil || bytes.IndexByte(text, '\\') >= 0 {
		return nil
	}
	a := s.view.cache.get(text)
	if a == nil || len(a.stmts) != 1 || !s.passes(a.stmts[0]) {
		return nil
	}
	return &a.stmts[0]
}

// passQuery notes a Query that passes.
func (s *session) passQuery(text []byte) bool {
	st := s.passing(text)
	if st == nil {
		return false
	}
	s.endOfQuery()
	s.viewEndsBy(st.Verb)
	return true
}

// endOfQuery: a Query that passes begins a block, ends the transaction or fails.
func (s *session) endOfQuery() {
	s.renamesEnd()
	s.lingers = false
}

// passParse notes a Parse of what passes: of the unnamed statement, which none can refuse,
// nor discard, as the first message of an exchange.
func (s *session) passParse(name, text, types []byte) bool {
	if len(name) > 0 || s.stmts[""] != nil || !s.wasClean {
		return false
	}
	st := s.passing(text)
	if st == nil {
		return false
	}
	s.stmts.set("", &prepared{st: *st, types: bytes.Clone(types)})
	return true
}

// passBind notes a Bind to what passes, or to what needs no guard in another's place.
func (s *session) passBind(name, statement []byte) bool {
	p := s.stmts[string(statement)]
	if s.heldBind != nil || p != nil && !s.passes(p.st) {
		return false
	}
	if old := s.portals[string(name)]; old != nil {
		if !s.passes(old.st) { // it may yet run: not each Bind takes its place
			return false
		}
		old.close()
		delete(s.portals, string(name))
	}
	if p != nil {
		s.portals.set(string(name), &portal{prepared: p, statement: string(statement), bound: s.exchange, step: s.step, sets: s.sets.before})
	}
	return true
}

// passExecute notes an Execute of what passes.
func (s *session) passExecute(name []byte) bool {
	p := s.portals[string(name)]
	if p == nil || s.heldBind != nil || !s.passesBound(p) {
		return false
	}
	_ = s.afterControl(context.Background(), p.st, "", nil, false) // nothing was removed: it has nothing to fail at
	return true
}
