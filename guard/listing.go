package guard

import (
	"context"
	"errors"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// listing knows which of a session's prepared statements were judged under
// another view than the one in force, or were never seen: PREPARE makes what
// can be bound by protocol too. A function, trigger or view that a statement
// uses may delete now, and did not when the statement was prepared.
type listing struct {
	named, text bool  // there may be statements with a name; … that PREPARE made since
	anonymous   bool  // there may be an unnamed one
	view        *view // under which all named ones were judged
	unnamed     *view // under which the unnamed one was
	// only: … in that exchange, in which an error before its Parse may have had the server
	// discard it, and keep another; 0: in any.
	only  int
	size  int // of session.stmts, when they were listed last
	quiet quiet
}

// seen notes a Parse under a view; only: see there.
func (l *listing) seen(name []byte, v *view, only int) {
	if len(name) == 0 {
		l.anonymous, l.unnamed, l.only = true, v, only
		return
	}
	if !l.named {
		l.named, l.view = true, v
	}
}

// forget: there may be statements that were never judged as they are now to be.
func (l *listing) forget() { *l = listing{named: true, text: true, anonymous: true} }

// outdated reports whether a Bind in an exchange is to be looked at first.
func (l *listing) outdated(v *view, exchange int) bool {
	return l.text || l.named && l.view != v || l.anonymous && (l.unnamed != v || !l.knows(exchange))
}

// knows reports whether the unnamed statement is the one seen last.
func (l *listing) knows(exchange int) bool { return l.only == 0 || l.only == exchange }

// crowded reports whether so many statements are known that some may be gone: a Close that
// was sent may have been discarded, and DEALLOCATE does not pass here.
func (l *listing) crowded(known int) bool { return known > max(minListed, 2*l.size) }

const minListed = 32

// relist judges the session's prepared statements again where they may have
// changed, and forgets those that are gone. The server does not list the unnamed one: it
// is counted.
func (s *session) relist(ctx context.Context, w proxy.Wire) error {
	l := &s.prepared
	crowded := l.crowded(len(s.stmts))
	if !l.outdated(s.view, s.exchange) && !crowded {
		return nil
	}
	failed, err := w.Quiesce(ctx)
	if err != nil || failed || s.aborted(w) {
		return err
	}
	q := lookup{w: w, own: s.alone(w)}
	if l.anonymous && (l.unnamed != s.view || !l.knows(s.exchange)) {
		if s.stmts[""] == nil {
			s.relistUnnamed(w)
		}
		l.unnamed, l.only = s.view, 0
	}
	if !l.text && (!l.named || l.view == s.view) && !crowded {
		return nil
	}
	rows, err := q.Query(ctx, "SELECT name, statement, from_sql::pg_catalog.text FROM pg_catalog.pg_prepared_statements")
	if errors.Is(err, errServer) {
		if q.own { // it failed alone
			if err := doom(ctx, w, "prepared statements cannot be listed"); err != nil {
				return err
			}
		}
		return s.fault(w, err)
	}
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(rows))
	clear(l.quiet.named)
	for _, r := range rows {
		name, sql := text(r[0]), text(r[1])
		there[name] = true
		if text(r[2]) == "true" {
			s.stmts.set(name, &prepared{st: judged{Statement: sqlparse.Statement{Verb: sqlparse.Execute, Text: sql}, route: routeCount, why: "EXECUTE of a prepared statement"}})
			continue
		}
		a := s.withTemps(s.policed(s.view.analysePrepared(w, sql)))
		switch old := s.stmts[name]; {
		case len(a.stmts) != 1 || a.plain:
			if delete(s.stmts, name); sqlparse.Snapshotless([]byte(sql)) {
				l.quiet.succeeded(name)
			}
		case old != nil && old.st.Text == a.stmts[0].Text:
			old.st = a.stmts[0]
		default:
			s.stmts.set(name, &prepared{st: a.stmts[0], types: []byte{0, 0}})
		}
	}
	for name := range s.stmts {
		if name != "" && !there[name] {
			delete(s.stmts, name)
		}
	}
	l.named, l.text, l.view, l.size = true, false, s.view, len(s.stmts)
	return nil
}

// relistUnnamed judges the unnamed statement, where nobody has seen a need for that yet.
func (s *session) relistUnnamed(w proxy.Wire) {
	st := judged{Statement: sqlparse.Statement{Text: "(unnamed prepared statement)", CopyIn: true}, route: routeCount, why: "a statement prepared before the catalog changed"}
	if q := &s.prepared.quiet; q.alone != "" && q.knows(s.exchange) {
		a := s.withTemps(s.policed(s.view.analysePrepared(w, q.alone)))
		if a.plain {
			return
		}
		if len(a.stmts) == 1 {
			st = a.stmts[0]
		}
	}
	s.stmts.set("", &prepared{st: st, types: []byte{0, 0}})
}

// bindReleased is sendBind while a hazard is there: what is called while the statement is
// planned may fetch.
func (s *session) bindReleased(ctx context.Context, w proxy.Wire, h *heldBind) error {
	r := &run{s: s, w: w, st: h.portal.st, until: '2', released: h, portal: h.name}
	r.st.route, r.st.why = routeCount, fetching
	r.closed = func(ctx context.Context) error {
		if h.described {
			if err := w.Reply('n', nil); err != nil {
				return err
			}
		}
		return receiveClosed(ctx, w)
	}
	s.litter = true
	err := r.bracket(ctx, func() { h.send(w) })
	s.litter = err != nil
	return err
}

// bindCounted binds a statement whose planning may call what deletes: functions
// that are declared IMMUTABLE or STABLE run then. errFailed: the client has been told.
func (s *session) bindCounted(ctx context.Context, w proxy.Wire, name string, body []byte, p *portal) error {
	r := &run{s: s, w: w, st: p.st, plan: p.plan, until: '2', portal: name}
	r.st.CopyIn = false
	return r.bracket(ctx, func() { w.Send('B', body) })
}
