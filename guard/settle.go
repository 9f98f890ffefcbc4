package guard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// settle asks the server how the transactions of a database's entries in doubt
// ended, and records it. What cannot be told stays in doubt, and is asked again
// with the next look at the catalog, whoever's session that is.
func (j *Judge) settle(ctx context.Context, db *database, q catalog.Querier) {
	doubts := db.inDoubt()
	if len(doubts) == 0 {
		return
	}
	run, err := serverRun(ctx, q)
	if err != nil {
		j.o.Logger.Warn("entries stay in doubt", "entries", len(doubts), "database", db.name, "error", err)
		return
	}
	for _, id := range doubts {
		outcome, err := j.settleOne(ctx, q, id, run)
		if err == nil && outcome != journal.InDoubt {
			err = j.o.Journal.Settle(ctx, id, outcome)
		}
		switch {
		case errors.Is(err, journal.ErrSettled), errors.Is(err, journal.ErrNotFound):
			db.settled(id)
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			if db.explain(id, err.Error()) {
				j.o.Logger.Warn("entry stays in doubt", "id", id, "database", db.name, "error", err)
			}
		case outcome != journal.InDoubt:
			db.settled(id)
			j.o.Logger.Info("entry settled", "id", id, "database", db.name, "outcome", outcome)
		}
	}
}

// settleOne is InDoubt while the transaction is still open (or prepared), and
// an error if its end cannot be told.
func (j *Judge) settleOne(ctx context.Context, q catalog.Querier, id string, run time.Time) (journal.Outcome, error) {
	e, err := j.o.Journal.Entry(ctx, id)
	if err != nil {
		return "", err
	}
	if e.Outcome != journal.InDoubt {
		return e.Outcome, nil
	}
	xid, err := strconv.ParseUint(e.XID, 10, 64)
	if err != nil {
		return "", fmt.Errorf("its transaction id is not known: %w", err)
	}
	status, err := one(ctx, q, fmt.Sprintf("SELECT pg_catalog.pg_xact_status('%d'::pg_catalog.xid8)", xid))
	switch {
	case sqlState(err) == "22023": // in the future: lost in a crash before it was durable
		return journal.RolledBack, nil
	case err != nil:
		return "", err
	case status == "aborted":
		return journal.RolledBack, nil
	case status == "in progress":
		return journal.InDoubt, nil
	case status == "committed" && !run.IsZero() && run.Equal(e.Server.Started):
		return journal.Committed, nil
	}
	// Too old to tell; or committed, but the server has crashed or was restarted
	// since, and the xid may have been issued again: the rows have to agree.
	p, err := j.probe(ctx, q, e, uint32(xid))
	switch {
	case err != nil:
		return "", err
	case p.asked == 0:
		return "", fmt.Errorf("the server was restarted since, and no key was captured that could tell whether transaction %d committed", xid)
	case p.untouched == 0 && (p.absent > 0 || status == "committed"):
		return journal.Committed, nil
	case p.untouched > 0 && p.absent == 0:
		return journal.RolledBack, nil
	}
	return "", fmt.Errorf("the server was restarted since: of %d rows of transaction %d, %d are as they were and %d are gone", p.asked, xid, p.untouched, p.absent)
}

// runSQL is the start of the server's run that its transaction ids belong to.
// After a crash ids that were not yet in flushed WAL are issued again, also
// when the postmaster survives; statistics are reset then. NULL before
// PostgreSQL 15, where they are costly to ask for.
const runSQL = "CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000 THEN" +
	" pg_catalog.date_part('epoch', GREATEST(pg_catalog.pg_postmaster_start_time(), pg_catalog.pg_stat_get_bgwriter_stat_reset_time())) END::pg_catalog.text"

func serverRun(ctx context.Context, q catalog.Querier) (time.Time, error) {
	epoch, err := one(ctx, q, "SELECT "+runSQL)
	return runStart(epoch), err
}

// runStart reads runSQL's answer; zero if the run is not known.
func runStart(epoch string) time.Time {
	sec, err := strconv.ParseFloat(epoch, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(sec * 1e6)).UTC()
}

func one(ctx context.Context, q catalog.Querier, sql string) (string, error) {
	rows, err := q.Query(ctx, sql)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return text(rows[0][0]), nil
}
