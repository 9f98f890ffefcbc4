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
	view        *view // under which all named ones were judged
	anonymous   bool  // there may be an unnamed one
	unnamed     *view // under which it was
	quiet       quiet
}

// seen notes a Parse under a view.
func (l *listing) seen(name []byte, v *view) {
	if len(name) == 0 {
		l.anonymous, l.unnamed = true, v
		return
	}
	if !l.named {
		l.named, l.view = true, v
	}
}

// forget: there may be statements that were never judged as they are now to be.
func (l *listing) forget() { *l = listing{named: true, text: true, anonymous: true} }

// outdated reports whether a Bind is to be looked at first.
func (l *listing) outdated(v *view) bool {
	return l.text || l.named && l.view != v || l.anonymous && l.unnamed != v
}

// relist judges the session's prepared statements again where they may have
// changed. The server does not list the unnamed one: it is counted.
func (s *session) relist(ctx context.Context, w proxy.Wire) error {
	l := &s.prepared
	if !l.outdated(s.view) {
		return nil
	}
	failed, err := w.Quiesce(ctx)
	if err != nil || failed || s.aborted(w) {
		return err
	}
	q := lookup{w: w, own: s.alone(w)}
	if l.anonymous && l.unnamed != s.view {
		if s.stmts[""] == nil {
			s.stmts.set("", &prepared{st: judged{Statement: sqlparse.Statement{Text: "(unnamed prepared statement)"}, route: routeCount, why: "a statement prepared before the catalog changed"}})
		}
		l.unnamed = s.view
	}
	if !l.text && (!l.named || l.view == s.view) {
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
	clear(l.quiet.named)
	for _, r := range rows {
		name, sql := text(r[0]), text(r[1])
		if text(r[2]) == "true" {
			s.stmts.set(name, &prepared{st: judged{Statement: sqlparse.Statement{Verb: sqlparse.Execute, Text: sql}, route: routeCount, why: "EXECUTE of a prepared statement"}})
			continue
		}
		a, err := s.analyse(ctx, w, []byte(sql))
		if err != nil {
			return err
		}
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
	l.named, l.text, l.view = true, false, s.view
	return nil
}

// bindCounted binds a statement whose planning may call what deletes: functions
// that are declared IMMUTABLE or STABLE run then.
func (s *session) bindCounted(ctx context.Context, w proxy.Wire, body []byte, p *portal) error {
	r := &run{s: s, w: w, st: p.st, plan: p.plan, binding: true}
	r.st.CopyIn = false
	return unlessFailed(r.bracket(ctx, func() { w.Send('B', body) }))
}
