package guard

import (
	"bytes"

	"github.com/rowback/rowback/sqlparse"
)

// Wants implements proxy.Session.
func (s *session) Wants(typ byte, body []byte) bool {
	if typ == 'H' { // the client waits for what was sent
		return s.heldBind != nil
	}
	s.wasClean = s.clean
	s.clean = typ == 'Q' || typ == 'S' || typ == 'F'
	if s.wasClean {
		s.exchange++
		s.block = 0
		s.sets.with = 0
		if s.implied { // it has ended
			s.implied = false
			s.viewEnds()
		}
	}
	s.sets.before = s.sets.with
	s.hasRun = s.ran == s.exchange
	s.hasBound = s.bound == s.exchange
	switch typ {
	case 'B':
		s.bound = s.exchange
	case 'E':
		s.ran = s.exchange
		s.sets.with++
	}
	switch typ {
	case 'P', 'B', 'E', 'Q', 'F':
		s.step++
	}
	s.renew()
	held := s.heldBind != nil // whatever comes, it goes first
	if s.rules.off && s.tx == nil && !held && !s.owes() {
		s.asleep = true
		return false
	}
	if s.asleep {
		return true
	}
	return s.concerns(typ, body) || held || s.moreReach.any
}

// owes reports whether a portal is open whose answers are not the client's as they are.
func (s *session) owes() bool {
	for _, p := range s.portals {
		if p.capturing() {
			return true
		}
	}
	return false
}

// concerns is Wants, while something is judged.
func (s *session) concerns(typ byte, body []byte) bool {
	switch typ {
	case 'Q':
		if s.amid() || s.staleFor(body) {
			return true
		}
		text := bytes.TrimSuffix(body, []byte{0})
		return s.interesting(text) && !s.passQuery(text)
	case 'P':
		name, rest, _ := cut(body)
		text, types, whole := cut(rest)
		stale := s.staleFor(text)
		quiet := sqlparse.Snapshotless(text)
		s.prepared.quiet.parsed(name, text, quiet, s.wasClean, s.exchange)
		s.prepared.seen(name, s.view, s.unlessFirst())
		return stale || quiet && len(name) > 0 || s.wasClean && s.prepared.outdated(s.view, s.exchange) || s.stmts[string(short(name))] != nil || s.interesting(text) && !(whole && s.passParse(name, text, types))
	case 'B':
		p, rest, _ := cut(body)
		st, _, whole := cut(rest)
		if !whole {
			return true
		}
		p, st = short(p), short(st)
		if !s.isQuiet(st) && (s.hazard() || s.staleBound(body) || s.prepared.outdated(s.view, s.exchange)) {
			return true
		}
		if !ascii(st) || !ascii(p) {
			return true
		}
		return (s.stmts[string(st)] != nil || s.portals[string(p)] != nil) && !s.passBind(p, st)
	case 'E':
		p, _, _ := cut(body)
		p = short(p)
		if s.redefined || s.hazard() || s.firstLook() || !ascii(p) {
			return true
		}
		return s.portals[string(p)] != nil && !s.passExecute(p)
	case 'D', 'C':
		if s.firstLook() {
			return true
		}
		if len(body) < 2 {
			return false
		}
		name, _, _ := cut(body[1:])
		name = short(name)
		if p := s.portals[string(name)]; body[0] == 'P' {
			return p != nil && (typ == 'C' || p.capturing())
		}
		return typ == 'C' && s.stmts[string(name)] != nil
	case 'F':
		return s.amid() || s.stale() || len(body) >= 4 && !largeObjects[oid(body)]
	case 'S':
		return s.tx != nil || s.prepares != nil || s.litter || s.lingers || s.redefined && s.overtaken == s.exchange
	}
	return false
}

// unlessFirst is the exchange, unless the message under judgement is its first: nothing
// can have failed before.
func (s *session) unlessFirst() int {
	if s.wasClean {
		return 0
	}
	return s.exchange
}

func (s *session) interesting(text []byte) bool {
	v := s.view
	if s.hazard() || s.mentionsTemps(text) {
		return true
	}
	if v.snap.Reach.Everything == "" && !(v.first.Scan(text) && v.names.Scan(text)) && !s.rules.updating(text) {
		return false
	}
	// What a backslash means is the session's to say: Message knows.
	if bytes.IndexByte(text, '\\') >= 0 {
		return true
	}
	a := v.cache.get(text)
	return a == nil || !a.plain || a.updates && s.rules.concern(a)
}
