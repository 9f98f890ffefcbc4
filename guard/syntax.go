package guard

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// misspelt asks the server whether it can read a Query of several statements, which it
// does before it runs any: they are its to judge one by one then. If it cannot, none
// runs, and the client has been told, ReadyForQuery included. Only after Quiesce, where
// the exchange has not failed.
func (s *session) misspelt(ctx context.Context, w proxy.Wire, sql []byte, stmts []judged) (told bool, err error) {
	if len(stmts) < 2 || w.Ignored() {
		return false, nil
	}
	w.Trail("AS") // what the failed transaction had set is said behind its error
	block, fails, lost := s.inBlock(w), s.aborted(w), false
	switch {
	case fails:
	case major(w) >= bodies:
		alone := s.alone(w) && !s.amid() // to parse may have been to take a snapshot
		if fails, err = s.unreadable(ctx, w, stmts, alone); err != nil {
			return true, s.faultInQuery(ctx, w, err)
		}
		if !fails {
			return false, nil
		}
		if lost = !alone; lost { // the transaction has failed with it, as it would with the Query
			if err := syncThrough(ctx, w); err != nil {
				return true, err
			}
			if s.lingers = false; !block {
				s.drop()
			}
		}
	case s.amid():
		return false, nil
	}
	subtransaction := block && !fails
	if subtransaction {
		if _, err := (lookup{w: w}).Query(ctx, "SAVEPOINT "+quote(private)); err != nil {
			return true, s.faultInQuery(ctx, w, err)
		}
	}
	refusal, warnings, err := refusalOf(ctx, w, sql)
	if err != nil {
		return true, err
	}
	refused := refusal != nil && (lost || !severalRefused(refusal))
	if refused && !(subtransaction && errorCode(refusal) == "42601") { // a cancel request, too, has met the Query
		for _, n := range warnings {
			if err := w.Reply('N', n); err != nil {
				return true, err
			}
		}
		if err := w.Reply('E', refusal); err != nil {
			return true, err
		}
		delete(s.stmts, "") // a Query takes it away before it is read
		return true, closeUp(ctx, w, target('S', ""))
	}
	if !subtransaction {
		return false, nil
	}
	// A ReadyForQuery each, which tells that the transaction lives.
	for _, sql := range []string{"ROLLBACK TO SAVEPOINT " + quote(private), "RELEASE SAVEPOINT " + quote(private)} {
		if _, err := (lookup{w: w, own: true}).Query(ctx, sql); err != nil {
			return true, s.faultInQuery(ctx, w, err)
		}
	}
	if refused { // the server reads it, and fails the whole transaction
		delete(s.stmts, "")
		w.Forward()
	}
	return refused, nil
}

// refusalOf is the error by which the server refuses to prepare several statements at
// once, which it reads first, and what it warns of meanwhile. The transaction fails.
func refusalOf(ctx context.Context, w proxy.Wire, sql []byte) (refusal []byte, warnings [][]byte, err error) {
	w.Send('C', target('S', private)) // left over if an earlier exchange failed
	w.Send('P', parseBody(private, string(sql), nil))
	w.Send('C', target('S', private))
	w.Send('S', nil)
	defer w.Unmute(w.Mute(func(notice []byte) bool {
		if !own(notice) {
			return false
		}
		warnings = append(warnings, bytes.Clone(notice)) // are said again as the statements run
		return true
	}))
	for {
		typ, body, err := w.Receive(ctx)
		switch {
		case err != nil || typ == 'Z':
			return refusal, warnings, err
		case typ == 'E':
			refusal = bytes.Clone(body)
		}
	}
}

// unreadable reports whether the server cannot read some of the statements: a function
// whose body they are is read, and not looked into, when its making is prepared. Unlike
// refusalOf that fails only if they cannot be. alone: nothing of the client's is under way.
func (s *session) unreadable(ctx context.Context, w proxy.Wire, stmts []judged, alone bool) (bool, error) {
	var body strings.Builder
	for _, st := range stmts {
		switch {
		case st.route == routeControl: // BEGIN and the like, which every server knows, are none of a body's
		case sqlparse.Begins(st.Text, "return"): // is one of a body's only
			body.WriteString(")")
		default:
			body.WriteString(st.Text + "\n;")
		}
	}
	defer w.Unmute(w.Mute(own))
	w.Send('C', target('S', private)) // as in refusalOf
	w.Send('P', parseBody(private, "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC "+body.String()+" END", nil))
	w.Send('C', target('S', private))
	end := byte('H')
	if alone {
		end = 'S'
	}
	w.Send(end, nil)
	err := receiveClosed(ctx, w)
	if err == nil {
		err = receiveClosed(ctx, w)
	}
	if alone && (err == nil || errors.Is(err, errServer)) {
		if err := ready(ctx, w); err != nil {
			return false, err
		}
	}
	if errors.Is(err, errServer) && !isClients(err) {
		return true, nil
	}
	return false, err
}

// bodies is the first PostgreSQL whose functions may have a body of statements.
const bodies = 14

// faultInQuery is fault where the client awaits ReadyForQuery: a timeout, or a cancel
// request, has met a query of rowback's own.
func (s *session) faultInQuery(ctx context.Context, w proxy.Wire, err error) error {
	if errors.Is(err, errServer) {
		err = s.fault(w, err)
	}
	if errors.Is(err, errFailed) {
		return s.syncFailed(ctx, w)
	}
	return err
}

// severalRefused: the server can read a text, whose several statements it does not prepare
// at once. Errors of its grammar point at a place, or have another code.
func severalRefused(body []byte) bool {
	var e pgproto3.ErrorResponse
	return e.Decode(body) == nil && e.Code == "42601" && e.Position == 0
}
