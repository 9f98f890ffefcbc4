package guard

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// spelling is what decides what a backslash means to the server.
type spelling struct {
	conforming bool // standard_conforming_strings
	encoding   string
}

// spelling is the session's. What was set in this exchange the server reports at its end
// only (since PostgreSQL 14): it is asked then. Only after Quiesce, which said failed.
// errFailed: the client has been told.
func (s *session) spelling(ctx context.Context, w proxy.Wire, failed bool) (spelling, error) {
	now := spelling{w.Parameter("standard_conforming_strings") == "on", w.Parameter("client_encoding")}
	if s.sets.before <= 0 || failed || s.aborted(w) {
		return now, nil
	}
	rows, err := lookup{w: w}.Query(ctx, "SELECT pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.pg_client_encoding()")
	switch {
	case errors.Is(err, errServer):
		return now, s.fault(w, err)
	case err != nil:
		return now, err
	case len(rows) != 1 || len(rows[0]) != 2:
		return now, errMalformed
	}
	return spelling{text(rows[0][0]) == "on", text(rows[0][1])}, nil
}

// analyseEscaped parses a text with a backslash as the server will.
func (s *session) analyseEscaped(ctx context.Context, w proxy.Wire, text []byte) (*analysis, error) {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.spelling(ctx, w, failed)
	if err != nil {
		return nil, err
	}
	s.spelt = &now
	return s.view.analyse(string(text), s.spelt.conforming, s.spelt.encoding), nil
}

// analysePrepared parses the text of a statement that was prepared before. How the
// server read a backslash then, nobody knows: where that matters it is counted.
func (v *view) analysePrepared(w proxy.Wire, sql string) *analysis {
	encoding := w.Parameter("client_encoding")
	a := v.analyse(sql, true, encoding)
	if strings.IndexByte(sql, '\\') < 0 || reflect.DeepEqual(a, v.analyse(sql, false, encoding)) {
		return a
	}
	return &analysis{stmts: []judged{{Statement: sqlparse.Statement{Verb: sqlparse.Unknown, Text: sql, DDL: true, ChangesNames: true},
		route: routeCount, why: "a prepared statement whose backslashes may be read in two ways"}}}
}

// respelt: a statement of a Query in which an earlier one has changed how the server
// reads it. It was parsed with the whole, before that ran. errFailed: so it is refused.
func (u *unrolled) respelt(ctx context.Context, st judged) error {
	if u.aborted || !u.s.hasRun || strings.IndexByte(st.Text, '\\') < 0 {
		return nil
	}
	now, err := u.s.spelling(ctx, u.w, false)
	if err != nil || u.s.spelt != nil && now == *u.s.spelt {
		return err
	}
	return u.s.refuse(ctx, u.w, respeltError())
}

func respeltError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000",
		Message: "rowback cannot run a statement with a backslash behind one that changes standard_conforming_strings or client_encoding in the same query",
		Hint:    "Send them one after the other.",
	}
}
