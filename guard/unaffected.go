package guard

import "bytes"

// What need not have the catalog looked at again where tables alone have other shapes
// since: DDL and all else that deletes nothing itself. Loading a schema, and migrations,
// are made of that.

// unaffected reports whether such a change is nothing to a query text.
func (s *session) unaffected(text []byte) bool {
	text = bytes.TrimSuffix(text, []byte{0})
	if s.redefined || !s.db.reaches(s.view) || bytes.IndexByte(text, '\\') >= 0 || bytes.IndexByte(text, 0) >= 0 {
		return false
	}
	if !s.interesting(text) {
		return true
	}
	if len(text) > maxCachedText { // a look at the catalog costs less than parsing it
		return false
	}
	a := s.view.cache.get(text)
	if a == nil {
		a = s.view.analyse(string(text), true, "")
	}
	for _, st := range s.withTemps(s.policed(a)).stmts {
		if !st.unaffected() {
			return false
		}
	}
	return true
}

func (st judged) unaffected() bool {
	return (st.route == routePlain || st.route == routeControl) && (!st.DDL || st.Shapes) && !st.CommitsItself
}

// unaffectedBy is unaffected for a message of the client's.
func (s *session) unaffectedBy(typ byte, body []byte) bool {
	if s.redefined || !s.db.reaches(s.view) {
		return false
	}
	switch typ {
	case 'Q':
		return s.unaffected(body)
	case 'P':
		_, rest, _ := cut(body)
		text, _, _ := cut(rest)
		return s.unaffected(text)
	case 'B':
		_, rest, _ := cut(body)
		name, _, _ := cut(rest)
		p := s.stmts[string(short(name))]
		return p == nil || p.st.unaffected()
	case 'E':
		name, _, _ := cut(body)
		p := s.portals[string(short(name))]
		return p == nil || p.st.unaffected()
	}
	return typ == 'D' || typ == 'C'
}
