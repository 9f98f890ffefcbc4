package guard

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// misspelt asks the server whether it can read a Query of several statements of
// which rowback cannot read one. If it cannot it runs none of them, and the
// client has been told, ReadyForQuery included. The others are its to judge one
// by one. Only after Quiesce.
func (s *session) misspelt(ctx context.Context, w proxy.Wire, sql []byte, stmts []judged) (told bool, err error) {
	if len(stmts) < 2 || !s.wasClean || w.Ignored() || s.aborted(w) || !slices.ContainsFunc(stmts, func(st judged) bool { return st.Verb == sqlparse.Unknown }) {
		return false, nil
	}
	block := w.TxStatus() == 'T'
	if block {
		if _, err := (lookup{w: w}).Query(ctx, "SAVEPOINT "+quote(private)); err != nil {
			return true, s.faultInQuery(ctx, w, err)
		}
	}
	w.Send('P', parseBody(private, string(sql), nil))
	w.Send('C', target('S', private))
	w.Send('S', nil)
	var refusal []byte
	var warnings [][]byte // are said again as the statements run
	defer w.Unmute(w.Mute(func(notice []byte) bool {
		if !own(notice) {
			return false
		}
		warnings = append(warnings, bytes.Clone(notice))
		return true
	}))
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return false, err
		}
		if typ == 'E' {
			refusal = append([]byte(nil), body...)
		}
		if typ != 'Z' {
			continue
		}
		if !misspelling(refusal) {
			break
		}
		for _, n := range warnings {
			if err := w.Reply('N', n); err != nil {
				return true, err
			}
		}
		if err := w.Reply('E', refusal); err != nil {
			return true, err
		}
		return true, w.Reply(typ, body)
	}
	if !block {
		return false, nil
	}
	// A ReadyForQuery each, which tells that the transaction lives.
	for _, sql := range []string{"ROLLBACK TO SAVEPOINT " + quote(private), "RELEASE SAVEPOINT " + quote(private)} {
		if _, err := (lookup{w: w, own: true}).Query(ctx, sql); err != nil {
			return true, s.faultInQuery(ctx, w, err)
		}
	}
	return false, nil
}

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

// misspelling tells an error of the server's grammar, which points at a place,
// from its refusal to prepare several statements at once, which does not.
func misspelling(body []byte) bool {
	var e pgproto3.ErrorResponse
	return body != nil && e.Decode(body) == nil && e.Code == "42601" && e.Position > 0
}
