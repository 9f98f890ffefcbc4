package guard

import (
	"context"
	"errors"
	"strconv"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// portal is bound to a prepared statement, or, with a capturing plan, to its
// captured form.
type portal struct {
	*prepared
	formats []uint16
	plan    *plan
	// params are the values of its Bind with their formats, and statement the
	// client's own it is bound to: for a probe; nil where there is none.
	params    []byte
	statement string
	held      rowQueue // rows beyond the client's max_rows, already run
	done      bool     // it has run; what is left is held
	ran       bool     // it has run to its end: the server does not run it again
	running   bool     // its Execute is under judgement
	bound     int      // in which exchange
	step      uint32   // session.step when it was bound, or executed last
	sets      int32    // session.sets then
	early     *counts  // see readEarly
	first     []byte   // see keepBind
	behind    bool     // others were bound before it in the same exchange
}

func (p *portal) close() { p.held.close() }

// waits reports whether what may delete is still to run.
func (p *portal) waits() bool {
	return !p.done && !p.ran && !(p.plan != nil && p.plan.pass) && (p.st.route == routeCapture || p.st.route == routeCount)
}

func (p *portal) capturing() bool { return p.plan != nil && p.plan.count == "" && !p.plan.pass }

// unknown is a portal of which only the name is known.
func unknown(name, why string) *portal {
	return &portal{prepared: unknownStatement("(portal "+strconv.Quote(name)+")", why)}
}

// unknownStatement may be any, a COPY FROM STDIN, too.
func unknownStatement(text, why string) *prepared {
	return &prepared{st: judged{Statement: sqlparse.Statement{Text: text, CopyIn: true}, route: routeCount, why: why}}
}

// fresh reports whether nothing came between what was last said of a portal and the
// Execute under judgement that could have closed it.
func (s *session) fresh(p *portal) bool { return s.step == p.step+1 }

// actual is what a portal is now: a function may have closed it, and opened a cursor in
// its place, which is counted then. Only after Quiesce.
func (s *session) actual(ctx context.Context, w proxy.Wire, name string, p *portal) (*portal, error) {
	rows, err := lookup{w: w}.Query(ctx, "SELECT statement FROM pg_catalog.pg_cursors WHERE name OPERATOR(pg_catalog.=) "+literal(name))
	switch {
	case errors.Is(err, errServer):
		return nil, s.fault(w, err)
	case err != nil:
		return nil, err
	case len(rows) != 1 || s.isOf(p, text(rows[0][0])): // the server says itself that there is none
		return p, nil
	}
	return unknown(name, "a portal in whose place a cursor is"), nil
}

// isOf reports whether a portal may be what was bound to a statement of that text.
func (s *session) isOf(p *portal, sql string) bool {
	if p.st.route != routeControl {
		return sql == p.plan.captured.SQL
	}
	all := sqlparse.Parse(sql) // which one is told by its tag
	return len(all) == 1 && s.controls(all[0])
}

func (s *session) controls(st sqlparse.Statement) bool {
	route, _ := s.view.route(st)
	return route == routeControl
}
