package guard

import (
	"context"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/sqlparse"
)

// temps are what a session's temporary relations call that may delete. They are in
// nobody else's view, nor in the fingerprint of the catalog.
type temps struct {
	due    bool // they are to be looked at
	within bool // they were, in a transaction that may take back what it changed
	why    map[string]catalog.Why
	names  *sqlparse.Names // the keys of why; nil: none
}

// defines notes that the session has made something that names what may delete, and so
// may be a temporary relation of that kind, or that it changed one.
func (s *session) defines(st judged) {
	rule := func() bool { // whose action is in it
		text := strings.ToLower(st.Text)
		return strings.Contains(text, "rule") && strings.Contains(text, "delete")
	}
	if !st.DDL || st.Verb == sqlparse.Drop || st.Verb == sqlparse.Truncate || s.temps == nil && st.route != routeCount && !rule() {
		return
	}
	if s.temps == nil {
		s.temps = &temps{}
	}
	s.temps.due = true
}

// lookAtTemps reads the catalog as this session has it, if that is due.
func (s *session) lookAtTemps(ctx context.Context, q lookup, view *view) error {
	if s.temps == nil || !s.temps.due {
		return nil
	}
	is, err := one(ctx, q, "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() AND (c.relkind OPERATOR(pg_catalog.=) 'v'"+
		" OR c.relhastriggers OR c.relhasrules OR c.relchecks OPERATOR(pg_catalog.>) 0::pg_catalog.int2 OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid OPERATOR(pg_catalog.=) c.oid)"+
		" OR EXISTS (SELECT FROM pg_catalog.pg_attrdef d WHERE d.adrelid OPERATOR(pg_catalog.=) c.oid) OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indexprs IS NOT NULL)))::pg_catalog.text")
	if err != nil {
		return err
	}
	if is != "true" { // none of them could
		if *s.temps = (temps{within: true}); q.own {
			s.temps = nil
		}
		return nil
	}
	snap, err := catalog.Load(ctx, q)
	if err != nil {
		return err
	}
	*s.temps = temps{within: !q.own, why: map[string]catalog.Why{}}
	for name, why := range snap.Reach.Names {
		if _, known := view.snap.Reach.Names[name]; !known {
			s.temps.why[name] = why
		}
	}
	if len(s.temps.why) > 0 {
		s.temps.names = sqlparse.NewNames(s.temps.why)
	}
	return nil
}

// mentionsTemps reports whether a text may name one of them.
func (s *session) mentionsTemps(text []byte) bool {
	return s.temps != nil && s.temps.names != nil && s.temps.names.Scan(text)
}

// withTemps is an analysis where they are known.
func (s *session) withTemps(a *analysis) *analysis {
	if s.temps == nil || s.temps.names == nil {
		return a
	}
	out := *a
	out.stmts = slices.Clone(a.stmts)
	for i := range out.stmts {
		if s.temps.judge(&out.stmts[i]) {
			out.plain = false
		}
	}
	return &out
}

// judge has a statement counted that names one of them.
func (t *temps) judge(st *judged) bool {
	if t == nil || t.names == nil || st.route != routePlain {
		return false
	}
	names := t.names.Mentions([]byte(st.Text))
	if len(names) == 0 {
		return false
	}
	st.route, st.why = routeCount, string(t.why[names[0]])
	return true
}
