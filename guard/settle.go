package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// settler asks a server how the transactions of entries in doubt ended.
type settler struct {
	*Judge
	q       catalog.Querier
	journal journal.Journal
	// gone: q is in another database than the entries; that is not there any more, or
	// has another name now.
	gone bool
}

// settle asks the server how the transactions of a database's entries in doubt
// ended, records it, and tells who is to know. What cannot be told stays in doubt, and
// is asked again: over the control connection, else with the next look at the catalog,
// whoever's session that is.
func (j settler) settle(ctx context.Context, db *database) {
	doubts := db.inDoubt()
	if len(doubts) == 0 || !db.settling.TryLock() {
		return
	}
	defer db.settling.Unlock()
	run, err := serverRun(ctx, j.q)
	if err != nil {
		if db.explain("server", err.Error()) {
			j.o.Logger.Warn("entries stay in doubt", "entries", len(doubts), "database", db.name, "error", err)
		}
		return
	}
	db.settled("server") // it can tell again
	some := false
	db.server.askAgain(ctx, j.q)
	db.keepReadings(doubts)
	// What takes long waits for what may not.
	slices.SortStableFunc(doubts, func(a, b string) int { return cmp.Compare(db.reading(a, run).late, db.reading(b, run).late) })
	for _, id := range doubts {
		r := db.reading(id, run)
		if r.rests(j.o.Now()) {
			continue
		}
		outcome, known, e, err := j.settleOne(ctx, id, r, db.server.get())
		storing := err == nil && outcome != journal.InDoubt && !known
		if storing {
			err = j.journal.Settle(ctx, id, outcome)
		}
		if outcome == journal.RolledBack && (err == nil || errors.Is(err, journal.ErrSettled)) {
			db.giveBack(ctx, id)
		}
		if err != nil && storing { // it may have been stored all the same
			db.maybeStored(id)
		}
		switch {
		case known, errors.Is(err, journal.ErrSettled), errors.Is(err, journal.ErrNotFound), errors.Is(err, errElsewhere):
			some = true
			if d := db.settled(id); known && d.ours { // it was this proxy that has settled it, and nobody said so
				j.tell(e, outcome)
			}
			j.o.Metrics.pending.settled(id)
		case err != nil && ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, journal.ErrAway): // the journal's
			if r.late++; !some {
				db.rest(j.o.Now())
			}
			return
		case err != nil:
			if db.explain(id, err.Error()) {
				j.o.Logger.Warn("entry stays in doubt", "id", id, "database", db.name, "error", err)
			}
		case outcome != journal.InDoubt:
			some = true
			db.settled(id)
			j.o.Logger.Info("entry settled", "id", id, "database", db.name, "outcome", outcome)
			j.tell(e, outcome)
		}
	}
}

// settleBeside is settle in a client's session, which does not wait long for the
// journal: it may be slow, away, locked by another process, or have much to read.
func (s *session) settleBeside(ctx context.Context, q catalog.Querier) {
	if !s.db.standby && !s.db.rests(s.j.o.Now()) {
		is := settler{Judge: s.j, q: q, journal: hurried{s.j.o.Journal, time.Now().Add(hurry)}}
		is.settle(ctx, s.db)
		is.settleGone(ctx, s.db)
	}
}

// settleGone settles what is in doubt in databases that are not there any more, by the
// status of its transactions alone. q is in here.
func (j settler) settleGone(ctx context.Context, here *database) {
	var names []string
	for _, d := range j.all() {
		if d.name != here.name && len(d.inDoubt()) > 0 {
			names = append(names, literal(d.name))
		}
	}
	if len(names) == 0 {
		return
	}
	rows, err := j.q.Query(ctx, "SELECT n FROM pg_catalog.unnest(ARRAY["+strings.Join(names, ",")+"]::pg_catalog.text[]) n"+
		" WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname::pg_catalog.text OPERATOR(pg_catalog.=) n)")
	if err != nil { // another time
		return
	}
	j.gone = true
	for _, row := range rows {
		j.settle(ctx, j.database(text(row[0])))
	}
}

// errElsewhere: the entry is of a database of this name on another server.
var errElsewhere = errors.New("its server is another one")

// settleOne is InDoubt while the transaction is still open (or prepared), and
// an error if its end cannot be told.
func (j settler) settleOne(ctx context.Context, id string, r *reading, server string) (o journal.Outcome, known bool, e *journal.Entry, err error) {
	if e, err = j.journal.Entry(ctx, id); err != nil {
		return "", false, nil, err
	}
	if e.Outcome != journal.InDoubt {
		return e.Outcome, true, e, nil
	}
	if r.final != nil {
		r.again = j.o.Now().Add(resting)
		return "", false, e, r.final
	}
	o, err = j.ended(ctx, e, r, server)
	return o, false, e, err
}

func (j settler) ended(ctx context.Context, e *journal.Entry, r *reading, server string) (journal.Outcome, error) {
	run := r.run
	if e.Server.SystemID != "" && server != "" && e.Server.SystemID != server {
		return "", errElsewhere
	}
	if e.Dropped != "" {
		return j.dropped(ctx, e.Dropped)
	}
	xid, err := strconv.ParseUint(e.XID, 10, 64)
	if err != nil {
		return "", fmt.Errorf("its transaction id is not known: %w", err)
	}
	var now uint32
	if e.Prepared != "" {
		if now, err = timeline(ctx, j.q); err != nil {
			return "", err
		}
	}
	status, err := one(ctx, j.q, fmt.Sprintf("SELECT pg_catalog.pg_xact_status('%d'::pg_catalog.xid8)", xid))
	switch {
	case sqlState(err) == "22023": // in the future: lost in a crash before it was durable
		return journal.RolledBack, nil
	case err != nil:
		return "", err
	case status == "aborted":
		return journal.RolledBack, nil
	case status == "in progress" && now != e.Server.Timeline && !j.gone:
		return journal.InDoubt, j.seePrepared(ctx, e, uint32(xid), now, run)
	case status == "in progress":
		return journal.InDoubt, nil
	case status == "committed" && catalog.SameRun(run, e.Server.Started):
		return journal.Committed, nil
	}
	if j.gone {
		return "", fmt.Errorf("the server was restarted since, and there is no database %q any more whose rows could tell whether transaction %d committed", e.Database, xid)
	}
	if err := j.aftermath(ctx, e, xid, r); err != nil {
		return "", err
	}
	since := r.aftermath
	lasted := status == "committed" && now != 0 && now == e.Server.Timeline
	switch {
	case since.reissued: // on a timeline of this number, too: a lost one's is given again
		return journal.RolledBack, nil
	case lasted && !since.overtaken:
		return journal.Committed, nil
	}
	// Too old to tell; or committed, but the server has crashed or was restarted
	// since, and the xid may have been issued again: the rows have to agree.
	p, err := j.probe(ctx, e, uint32(xid), since.removed)
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
		return "", r.ends(fmt.Errorf("the server was restarted since, and all of %d rows of transaction %d were removed again: only these could tell whether it committed", p.again, xid))
	case p.asked == 0:
		return "", r.ends(fmt.Errorf("the server was restarted since, and no key was captured that could tell whether transaction %d committed", xid))
	case since.overtaken && p.absent > 0:
		return "", fmt.Errorf("the server was restarted since, and went on from before transaction %d, but %d of its %d rows are gone", xid, p.absent, p.asked)
	case p.untouched == 0 && (p.absent > 0 || status == "committed"):
		return journal.Committed, nil
	case p.untouched > 0 && p.absent == 0:
		return journal.RolledBack, nil
	}
	return "", fmt.Errorf("the server was restarted since: of %d rows of transaction %d, %d are as they were and %d are gone", p.asked, xid, p.untouched, p.absent)
}

// dropped is the outcome of DROP DATABASE, as far as that can be seen. While the database
// is there the statement may be under way yet.
func (j settler) dropped(ctx context.Context, name string) (journal.Outcome, error) {
	gone, err := one(ctx, j.q, "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname::pg_catalog.text OPERATOR(pg_catalog.=) "+literal(name)+")")
	switch {
	case err != nil:
		return "", err
	case gone == "t":
		return journal.Committed, nil
	}
	return "", fmt.Errorf("database %q is there, or there again: whether it was dropped cannot be told", name)
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
