package guard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// A prepared transaction outlives its session, and the server's crash too: the
// server has flushed it before it said so. So its id is not issued again in this
// history of the server (its timeline; a standby that is promoted may lack it), and
// its status is the truth after any number of crashes, which of others it is not.
// That it was prepared is recorded as soon as it is seen.

// timeline is the server's history, as a number; 0 if that is not known. Not of a standby.
func timeline(ctx context.Context, q catalog.Querier) (uint32, error) {
	hex, err := one(ctx, q, "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)")
	if sqlState(err) == "42501" { // not for this role
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: timeline", errMalformed)
	}
	return uint32(n), nil
}

// seePrepared records that an entry's transaction, which has not ended, is prepared,
// if it is: on this timeline, in this run of the server.
func (j settler) seePrepared(ctx context.Context, e *journal.Entry, xid uint32, now uint32, run time.Time) error {
	// The client may have written the name in an encoding of its own.
	plain := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, e.Prepared)
	is, err := one(ctx, j.q, fmt.Sprintf("SELECT true FROM pg_catalog.pg_prepared_xacts WHERE transaction OPERATOR(pg_catalog.=) '%d'::pg_catalog.xid AND pg_catalog.regexp_replace(gid, '[^ -~]', '', 'g') OPERATOR(pg_catalog.=) %s AND database OPERATOR(pg_catalog.=) pg_catalog.current_database()",
		xid, literal(plain)))
	if err != nil || is != "t" {
		return err
	}
	s := e.Server
	s.Started, s.Timeline = run, now
	if err := j.journal.Prepared(ctx, e.ID, s); err != nil && !errors.Is(err, journal.ErrSettled) {
		return err
	}
	return nil
}

// syncPrepared handles the Sync after a PREPARE TRANSACTION.
func (s *session) syncPrepared(ctx context.Context, w proxy.Wire) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	w.Forward()
	for !failed {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		if typ != 'Z' {
			_ = w.Reply(typ, body)
			continue
		}
		end := append([]byte(nil), body...)
		if err := s.sawPrepared(ctx, w); err != nil {
			return err
		}
		return w.Reply('Z', end)
	}
	return nil
}

// sawPrepared records what the server has just said of an entry's transaction, before
// the client is told that it may go on, and end it elsewhere. Only after
// ReadyForQuery, before the client has it.
func (s *session) sawPrepared(ctx context.Context, w proxy.Wire) error {
	e := s.prepares
	if s.prepares = nil; e == nil || w.TxStatus() != 'I' {
		return nil
	}
	of := e.Server
	var err error
	if of.Timeline, err = timeline(ctx, lookup{w: w, own: true, first: loadSettings}); err == nil && of.Timeline != 0 {
		err = s.j.o.Journal.Prepared(context.WithoutCancel(ctx), e.ID, of)
	}
	switch {
	case err == nil, errors.Is(err, journal.ErrSettled), errors.Is(err, journal.ErrNotFound):
		return nil
	case sqlState(err) == "" && ctx.Err() != nil:
		return err
	}
	s.j.o.Logger.Warn("it is not recorded yet that a transaction is prepared", "id", e.ID, "error", err) // the next look records it
	return nil
}

// blocksPipelines reports whether the server takes what a pipeline has since its last Sync
// for a transaction block, as it does a Query of several statements.
func blocksPipelines(w proxy.Wire) bool { return major(w) >= 18 }

// major is the server's major version, 0 if it does not say.
func major(w proxy.Wire) (n int) {
	if _, err := fmt.Sscanf(w.Parameter("server_version"), "%d", &n); err != nil { // "18.1 (Debian …)", "19beta1"
		return 0
	}
	return n
}

// prepareError: where there is no such block the server commits, and says ROLLBACK.
func prepareError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000",
		Message: "rowback cannot prepare the transaction that a query of several statements is, where one of them may remove rows",
		Hint:    "Put BEGIN in front of them.",
	}
}
