package guard

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// deferredPortal outlives its statement: the transaction is about to end.
const deferredPortal = "rowback: deferred"

// fireDeferred makes the triggers that wait for COMMIT run now, as COMMIT would
// first of all, and counts what they remove. Only if a trigger of the database
// that can be deferred may delete, or fetch from what does, and only in transactions
// in which something was counted. It returns errFailed if one fails, or if what they remove is
// refused: then the client has been told, and the transaction has failed. Only
// after Quiesce.
func (s *session) fireDeferred(ctx context.Context, w proxy.Wire) error {
	if err := s.fireTriggers(ctx, w); err != nil {
		return err
	}
	return s.holdAtCommit(ctx, w) // as the server does it after them
}

func (s *session) fireTriggers(ctx context.Context, w proxy.Wire) error {
	why := s.view.snap.Reach.Deferred
	if why == "" && s.hazard() {
		why = fetching
	}
	if s.tx == nil || why == "" {
		return nil
	}
	r := &run{s: s, w: w, st: judged{Statement: sqlparse.Statement{Verb: sqlparse.Commit, Text: "COMMIT"}, route: routeCount, why: string(why)}}
	r.deferred, r.portal = true, deferredPortal
	sql := setConstraints
	if !s.inBlock(w) { // where it would only warn, unless inside a function
		sql = "DO $rowback$ BEGIN " + setConstraints + "; END $rowback$"
	}
	return r.bracket(ctx, func() {
		w.Send('C', target('S', private))
		w.Send('P', parseBody(private, sql, nil))
		w.Send('B', bindText(deferredPortal, private))
		w.Send('E', executeBody(deferredPortal))
	})
}

const setConstraints = "SET CONSTRAINTS ALL IMMEDIATE"

// withoutConstraints is an ErrorResponse body whose context (W) does not tell
// of fireDeferred's statement, which stands in its last lines.
func withoutConstraints(body []byte) []byte {
	var e pgproto3.ErrorResponse
	if err := e.Decode(body); err != nil {
		return body
	}
	at := strings.LastIndex(e.Where, `"`+setConstraints+`"`)
	if at < 0 {
		return body
	}
	e.Where = e.Where[:max(0, strings.LastIndexByte(e.Where[:at], '\n'))]
	return errorBody(&e)
}

// rollbacks are how often a ROLLBACK is tried: a cancel request or a short timeout
// (statement_timeout) may end it as well.
const rollbacks = 20

// failCommit ends a transaction block whose COMMIT has failed before it was
// sent, as the server would have: rolled back, and outside of any block. The
// server then discards messages up to Sync.
func (s *session) failCommit(ctx context.Context, w proxy.Wire) error {
	defer w.Unmute(w.Mute(own))
	s.drop()
	s.endBlock(false)
	if err := syncThrough(ctx, w); err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		err := rollBack(ctx, w)
		if err == nil {
			break
		}
		if !errors.Is(err, errServer) || tries == rollbacks { // then the session's end rolls it back
			return err
		}
	}
	if err := doom(ctx, w, "COMMIT failed"); err != nil {
		return err
	}
	return errFailed
}

// rollBack ends a transaction block that has failed. Only where nothing waits for a Sync.
func rollBack(ctx context.Context, w proxy.Wire) error {
	w.Send('C', target('P', private)) // left over from a reading that an error has cut short
	sendQuery(w, "ROLLBACK")
	w.Send('S', nil)
	var failed error
	for {
		typ, body, err := w.Receive(ctx)
		switch {
		case err != nil:
			return err
		case typ == 'E':
			failed = refused(body)
		case typ == 'Z':
			return failed
		}
	}
}
