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
		if db.explain("server", err.Error()) {
			j.o.Logger.Warn("entries stay in doubt", "entries", len(doubts), "database", db.name, "error", err)
		}
		return
	}
	db.settled("server") // it can tell again
	db.server.askAgain(ctx, q)
	for _, id := range doubts {
		outcome, err := j.settleOne(ctx, q, id, run, db.server.get())
		if err == nil && outcome != journal.InDoubt {
			err = j.o.Journal.Settle(ctx, id, outcome)
		}
		switch {
		case errors.Is(err, journal.ErrSettled), errors.Is(err, journal.ErrNotFound), errors.Is(err, errElsewhere):
			db.settled(id)
			j.o.Metrics.pending.settled(id)
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

// errElsewhere: the entry is of a database of this name on another server.
var errElsewhere = errors.New("its server is another one")

// settleOne is InDoubt while the transaction is still open (or prepared), and
// an error if its end cannot be told.
func (j *Judge) settleOne(ctx context.Context, q catalog.Querier, id string, run time.Time, server string) (journal.Outcome, error) {
	e, err := j.o.Journal.Entry(ctx, id)
	if err != nil {
		return "", err
	}
	if e.Outcome != journal.InDoubt {
		return e.Outcome, nil
	}
	if e.Server.SystemID != "" && server != "" && e.Server.SystemID != server {
		return "", errElsewhere
	}
	xid, err := strconv.ParseUint(e.XID, 10, 64)
	if err != nil {
		return "", fmt.Errorf("its transaction id is not known: %w", err)
	}
	var now uint32
	if e.Prepared != "" {
		if now, err = timeline(ctx, q); err != nil {
			return "", err
		}
	}
	status, err := one(ctx, q, fmt.Sprintf("SELECT pg_catalog.pg_xact_status('%d'::pg_catalog.xid8)", xid))
	switch {
	case sqlState(err) == "22023": // in the future: lost in a crash before it was durable
		return journal.RolledBack, nil
	case err != nil:
		return "", err
	case status == "aborted":
		return journal.RolledBack, nil
	case status == "in progress" && now != e.Server.Timeline:
		return journal.InDoubt, j.seePrepared(ctx, q, e, uint32(xid), now, run)
	case status == "in progress":
		return journal.InDoubt, nil
	case status == "committed" && catalog.SameRun(run, e.Server.Started):
		return journal.Committed, nil
	}
	since, err := j.aftermath(ctx, e, xid, run)
	lasted := status == "committed" && now != 0 && now == e.Server.Timeline
	switch {
	case err != nil:
		return "", err
	case since.reissued: // on a timeline of this number, too: a lost one's is given again
		return journal.RolledBack, nil
	case lasted && !since.overtaken:
		return journal.Committed, nil
	}
	// Too old to tell; or committed, but the server has crashed or was restarted
	// since, and the xid may have been issued again: the rows have to agree.
	p, err := j.probe(ctx, q, e, uint32(xid), since.removed)
	switch {
	case err != nil:
		return "", err
	case e.Kind == journal.Restore:
		return restored(p, xid)
	case since.overtaken && p.asked+p.again > 0 && p.absent == 0:
		return journal.RolledBack, nil
	case lasted:
		return journal.Committed, nil
	case p.asked == 0 && p.again > 0:
		return "", fmt.Errorf("the server was restarted since, and all of %d rows of transaction %d were removed again: only these could tell whether it committed", p.again, xid)
	case p.asked == 0:
		return "", fmt.Errorf("the server was restarted since, and no key was captured that could tell whether transaction %d committed", xid)
	case since.overtaken && p.absent > 0:
		return "", fmt.Errorf("the server was restarted since, and went on from before transaction %d, but %d of its %d rows are gone", xid, p.absent, p.asked)
	case p.untouched == 0 && (p.absent > 0 || status == "committed"):
		return journal.Committed, nil
	case p.untouched > 0 && p.absent == 0:
		return journal.RolledBack, nil
	}
	return "", fmt.Errorf("the server was restarted since: of %d rows of transaction %d, %d are as they were and %d are gone", p.asked, xid, p.untouched, p.absent)
}

// restored is the outcome of a restore by its rows: those that it inserted are
// there, or none of them.
func restored(p probed, xid uint64) (journal.Outcome, error) {
	switch {
	case p.own > 0:
		return journal.Committed, nil
	case p.asked > 0 && p.absent == p.asked:
		return journal.RolledBack, nil
	}
	return "", fmt.Errorf("the server was restarted since: of %d rows that transaction %d was to restore, %d are not there and none is as it inserted it", p.asked, xid, p.absent)
}

// errStandby: it may not know yet what the primary has committed, nor which
// transaction ids that has given out.
var errStandby = errors.New("the server is a standby; its primary has to be asked")

// serverRun is the start of the server's run, zero if it is not known.
func serverRun(ctx context.Context, q catalog.Querier) (time.Time, error) {
	rows, err := q.Query(ctx, "SELECT pg_catalog.pg_is_in_recovery()::pg_catalog.text, "+catalog.RunSQL)
	switch {
	case err != nil:
		return time.Time{}, err
	case len(rows) != 1 || len(rows[0]) != 2:
		return time.Time{}, fmt.Errorf("%w: run", errMalformed)
	case text(rows[0][0]) == "true":
		return time.Time{}, errStandby
	}
	return catalog.RunStart(text(rows[0][1])), nil
}

func one(ctx context.Context, q catalog.Querier, sql string) (string, error) {
	rows, err := q.Query(ctx, sql)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return text(rows[0][0]), nil
}
