package guard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// callPortal is where a FunctionCall runs as a statement.
const callPortal = "rowback: call"

// largeObjects are lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_unlink,
// lo_create, lo_truncate and those for 64 bits: what clients use FunctionCall for.
// Others of PostgreSQL's own may run text.
var largeObjects = map[uint32]bool{952: true, 953: true, 954: true, 955: true, 956: true, 957: true, 958: true, 964: true, 715: true, 1004: true, 3170: true, 3171: true, 3172: true}

// functionCall handles a FunctionCall of a function that is not one of largeObjects. The server ends its transaction with it, so one that may delete is run as
// the SELECT that it amounts to, and answered as a FunctionCall.
func (s *session) functionCall(ctx context.Context, w proxy.Wire, body []byte) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed || len(body) < 10 || s.aborted(w) {
		w.Forward()
		return nil
	}
	if largeObjects[oid(body)] {
		return s.callUnjudged(ctx, w, body)
	}
	f, err := s.called(ctx, w, oid(body))
	if err != nil {
		if errors.Is(err, errServer) {
			if err = s.fault(w, err); errors.Is(err, errFailed) {
				return s.syncFailed(ctx, w)
			}
		}
		return err
	}
	if f.why == "" {
		st := judged{Statement: sqlparse.Statement{Text: f.sql}}
		if s.temps.judge(&st); s.hazard() {
			st = st.fetches()
		}
		f.why = st.why
	}
	if f.why == "" || f.sql == "" || argumentsIn(body[4:]) != f.arguments { // harmless, or the server will refuse it
		return s.callUnjudged(ctx, w, body)
	}
	st := judged{Statement: sqlparse.Statement{Text: f.sql}, route: routeCount, why: f.why, functionCall: true}
	u := unrolled{s: s, w: w, block: s.inBlock(w), called: true}
	r, err := s.guarded(ctx, w, st, nil)
	if err == nil {
		err = u.call(ctx, r, f, body[4:])
	}
	if err != nil && !errors.Is(err, errFailed) {
		return err
	}
	return u.end(ctx, err)
}

// callUnjudged lets a FunctionCall through as it is. Only after Quiesce.
func (s *session) callUnjudged(ctx context.Context, w proxy.Wire, body []byte) error {
	if s.endsWith(w) {
		return s.commitImplicit(ctx, w, 'F', body, nil)
	}
	if s.amid() {
		return s.through(ctx, w, 'F', body, nil)
	}
	w.Forward()
	return nil
}

// function is what a FunctionCall names.
type function struct {
	sql       string // the call as a SELECT; "": none that can be called so
	types     []byte // of the parameters, as in Parse
	why       string // it may delete, "" if not
	arguments int
}

// argumentsIn is how many arguments a FunctionCall passes, -1 if that cannot be
// told: b is its body behind the OID.
func argumentsIn(b []byte) int {
	at := 2 + 2*int(binary.BigEndian.Uint16(b))
	if len(b) < at+4 {
		return -1
	}
	return int(binary.BigEndian.Uint16(b[at:]))
}

func (s *session) called(ctx context.Context, w proxy.Wire, o uint32) (function, error) {
	// By itself, where that is possible: since PostgreSQL 18 a FunctionCall behind it would leave its transaction open.
	rows, err := lookup{w: w, own: s.alone(w)}.Query(ctx, "SELECT p.proname, n.nspname, p.proargtypes::pg_catalog.text, (p.provariadic OPERATOR(pg_catalog.<>) 0)::pg_catalog.text,"+
		" (p.prokind OPERATOR(pg_catalog.=) 'f' AND NOT p.proretset)::pg_catalog.text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace WHERE p.oid OPERATOR(pg_catalog.=) "+strconv.FormatUint(uint64(o), 10))
	if err != nil || len(rows) != 1 {
		return function{}, err
	}
	f := function{why: s.view.snap.Reach.Everything}
	if f.why == "" {
		f.why = string(s.view.snap.Reach.Names[catalog.Fold(text(rows[0][0]))])
	}
	if text(rows[0][4]) != "true" {
		return f, nil
	}
	args := strings.Fields(text(rows[0][2]))
	f.arguments = len(args)
	f.types = binary.BigEndian.AppendUint16(nil, uint16(len(args)))
	params := make([]string, len(args))
	for i, a := range args {
		t, err := strconv.ParseUint(a, 10, 32)
		if err != nil {
			return function{}, fmt.Errorf("%w: type of an argument", errMalformed)
		}
		f.types = binary.BigEndian.AppendUint32(f.types, uint32(t))
		params[i] = "$" + strconv.Itoa(i+1)
	}
	if text(rows[0][3]) == "true" {
		params[len(params)-1] = "VARIADIC " + params[len(params)-1]
	}
	f.sql = "SELECT " + quote(text(rows[0][1])) + "." + quote(text(rows[0][0])) + "(" + strings.Join(params, ", ") + ")"
	return f, nil
}

// withoutPortal is an ErrorResponse body whose context (W) does not tell of
// callPortal, which stands in its last line.
func withoutPortal(body []byte) []byte {
	var e pgproto3.ErrorResponse
	if err := e.Decode(body); err != nil {
		return body
	}
	at := strings.LastIndex(e.Where, `portal "`+callPortal+`"`)
	if at < 0 {
		return body
	}
	e.Where = strings.TrimSuffix(e.Where[:at], "\n")
	return errorBody(&e)
}

// call runs a FunctionCall: arguments is its body behind the OID.
func (u *unrolled) call(ctx context.Context, r *run, f function, arguments []byte) error {
	params, format := arguments[:len(arguments)-2], binary.BigEndian.Uint16(arguments[len(arguments)-2:])
	var result []byte
	r.rows = func(row []byte) error {
		if len(row) >= 2 { // one column: what follows their number is what FunctionCallResponse holds
			result = append([]byte(nil), row[2:]...)
		}
		return nil
	}
	r.portal = callPortal
	err := r.bracket(ctx, func() {
		u.w.Send('C', target('S', private)) // left over if an earlier exchange failed
		u.w.Send('P', parseBody(private, f.sql, f.types))
		u.w.Send('B', joinBind(callPortal, private, params, []uint16{format}))
		u.w.Send('E', executeBody(callPortal))
	})
	if err != nil {
		return err
	}
	u.complete('V', result)
	u.w.Send('C', target('P', callPortal))
	u.w.Send('H', nil)
	for {
		if typ, _, err := u.w.Receive(ctx); err != nil || typ == '3' {
			return err
		}
	}
}
