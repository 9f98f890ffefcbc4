package guard

import (
	"context"

	"github.com/rowback/rowback/proxy"
)

// hazard reports whether a cursor may be open that deletes when it is fetched
// from: one declared over something that may delete, or a portal of the
// protocol's, which FETCH reaches by its name, too.
func (s *session) hazard() bool {
	if s.tx != nil && s.tx.cursor {
		return true
	}
	for name, p := range s.portals {
		if name != "" && !p.done && (p.st.route == routeCapture || p.st.route == routeCount) {
			return true
		}
	}
	return false
}

// withCursors is an analysis in force while a hazard is there: what fetches
// from a cursor, a function too, does not say what that runs. So all is counted.
func (s *session) withCursors(ctx context.Context, w proxy.Wire, a *analysis) (*analysis, error) {
	if !s.hazard() {
		return a, nil
	}
	if _, err := w.Quiesce(ctx); err != nil {
		return nil, err
	}
	if s.tx == nil && s.alone(w) { // they ended with their transaction
		for name, p := range s.portals {
			p.close()
			delete(s.portals, name)
		}
		return a, nil
	}
	counted := &analysis{}
	for _, st := range a.stmts {
		if st.route == routePlain && !st.OutsideTransaction {
			st.route, st.why = routeCount, "a statement while a cursor is open that may delete"
		}
		counted.stmts = append(counted.stmts, st)
	}
	return counted, nil
}
