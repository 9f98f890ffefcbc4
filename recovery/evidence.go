package recovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// viaRestore marks rows that a restore inserted.
const viaRestore journal.Via = "restore"

// commit makes the evidence durable, commits, and records the outcome. From
// here on an interrupt is not heard: the journal must learn how it ended.
func (r *restore) commit(ctx context.Context, committed *bool, evidence func(context.Context) (*journal.Entry, *journal.Keys, error)) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	r.committing = true
	ctx = context.WithoutCancel(ctx)
	r.o.Progress.Start("writing the evidence", 0)
	entry, keys, err := evidence(ctx)
	if err != nil {
		return "", fmt.Errorf("gathering the evidence of the restore: %w", err)
	}
	defer keys.Close()
	if err := r.o.Journal.Append(ctx, entry, keys); err != nil {
		return "", fmt.Errorf("the journal does not take the evidence of the restore, so nothing was committed: %w", err)
	}
	r.o.Progress.Start("committing", 0)
	*committed = true // or unknown; in any case there is nothing to roll back
	if err := r.production.exec(ctx, "COMMIT"); err != nil {
		return entry.ID, r.uncommitted(ctx, entry, err)
	}
	r.committed(ctx, entry)
	return entry.ID, nil
}

// committed records that e did. The rows are back whatever comes of it.
func (r *restore) committed(ctx context.Context, e *journal.Entry) {
	if err := r.o.Journal.Settle(ctx, e.ID, journal.Committed); err != nil {
		r.warn("the rows are back and committed, but the journal could not record the outcome of " + e.ID + ": " + err.Error())
	}
}

// uncommitted settles an entry whose COMMIT failed, or whose answer was lost.
// nil: it turned out to have committed.
func (r *restore) uncommitted(ctx context.Context, e *journal.Entry, cause error) error {
	outcome := journal.RolledBack
	if r.production.conn.IsClosed() {
		var err error
		if outcome, err = r.ask(ctx, e); err != nil || outcome == journal.InDoubt {
			return errors.Join(fmt.Errorf("the connection broke at COMMIT; whether the rows are back is not known (journal entry %s, in doubt); run the restore again, it restores only what is absent: %w", e.ID, cause), err)
		}
	}
	if outcome == journal.Committed {
		r.committed(ctx, e)
		return nil
	}
	return errors.Join(cause, r.o.Journal.Settle(ctx, e.ID, outcome))
}

// ask asks the server, on a new connection, how e's transaction ended.
func (r *restore) ask(ctx context.Context, e *journal.Entry) (journal.Outcome, error) {
	again, err := connect(ctx, "production", r.o.Production, r.o.Source.Database)
	if err != nil {
		return journal.InDoubt, err
	}
	r.production = again
	return again.outcome(ctx, e)
}

// outcome is how an entry's transaction ended: where the journal does not know, as
// the server says. InDoubt: it cannot, or the transaction is still open.
func (s *side) outcome(ctx context.Context, e *journal.Entry) (journal.Outcome, error) {
	o, _, err := s.ended(ctx, e)
	return o, err
}

// ended is outcome, and whether the transaction is known to be open.
func (s *side) ended(ctx context.Context, e *journal.Entry) (o journal.Outcome, open bool, err error) {
	if e.Outcome != journal.InDoubt {
		return e.Outcome, false, nil
	}
	xid, err := strconv.ParseUint(e.XID, 10, 64)
	if err != nil {
		return journal.InDoubt, false, nil
	}
	// The status of an id that was not given out yet is an error. In one run an id that is
	// no less than all that ended is of an open transaction.
	rows, err := s.rows(ctx, fmt.Sprintf(`SELECT system_identifier::text, coalesce(%s, ''),
		coalesce(CASE WHEN '%[2]d'::pg_catalog.xid8 < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) THEN pg_catalog.pg_xact_status('%[2]d'::pg_catalog.xid8) ELSE 'in progress' END, '') FROM pg_control_system()`, catalog.RunSQL, xid))
	if err != nil {
		return journal.InDoubt, false, err
	}
	system, run, status := *rows[0][0], catalog.RunStart(*rows[0][1]), *rows[0][2]
	same := catalog.SameRun(run, e.Server.Started) // else the id may be another transaction's by now
	switch {
	case e.Server.SystemID != "" && e.Server.SystemID != system:
		return journal.InDoubt, false, nil
	case status == "aborted": // also where a crash had the id given out again: a commit would have kept it
		return journal.RolledBack, false, nil
	case status == "committed" && same:
		return journal.Committed, false, nil
	}
	return journal.InDoubt, same && status == "in progress", nil
}

// evidence is the journal entry of this restore: what it inserted, by key, and
// which links it restored. The caller closes the keys.
func (r *restore) evidence(ctx context.Context) (*journal.Entry, *journal.Keys, error) {
	e, err := r.entry(ctx, journal.Restore)
	if err != nil {
		return nil, nil, err
	}
	if r.inPieces {
		if r.batch == "" {
			r.batch = e.ID
		}
		e.Batch = r.batch
	}
	keys := journal.NewKeys("")
	for _, t := range r.tables {
		if t.count.Restored == 0 {
			continue
		}
		e.Rows += t.count.Restored
		if len(t.key) == 0 {
			why, err := r.wroteAlone(ctx, t)
			if err != nil {
				return nil, nil, joinClose(err, keys)
			}
			e.Tables = append(e.Tables, journal.Table{Schema: t.live.Schema, Name: t.live.Name, OID: t.live.OID, Rows: t.count.Restored, Via: viaRestore, Why: why})
			continue
		}
		err := r.record(ctx, e, keys, journal.Table{Schema: t.live.Schema, Name: t.live.Name, OID: t.live.OID, Rows: t.count.Restored, Via: viaRestore, Key: journalColumns(t.live, t.key)},
			fmt.Sprintf("SELECT %s FROM %s s", recorded(t.live, t.key, prefixed("s", t.key)), t.in))
		if err != nil {
			return nil, nil, joinClose(err, keys)
		}
	}
	if err := r.recordMarks(ctx, e, keys); err != nil {
		return nil, nil, joinClose(err, keys)
	}
	for _, l := range r.links {
		if l.relinked == 0 {
			continue
		}
		err := r.record(ctx, e, keys, journal.Table{Schema: l.live.Schema, Name: l.live.Name, OID: l.live.OID, Rows: l.relinked, Via: l.via,
			Key: journalColumns(l.live, l.key), Old: journalColumns(l.live, l.old)},
			fmt.Sprintf("SELECT %s FROM %s x WHERE rowback_class = '%s'", recorded(l.live, l.key, prefixed("x", l.keys()))+", "+texts("x", l.olds()), l.staged, linkCut))
		if err != nil {
			return nil, nil, joinClose(err, keys)
		}
	}
	e.Statements = []journal.Statement{{SQL: strings.TrimSpace("rowback restore " + r.o.Source.origin + strings.Join(e.Restores, " ")), Tag: fmt.Sprintf("INSERT 0 %d", e.Rows)}}
	return e, keys, nil
}

// entry is the journal entry of the transaction under way, without its tables.
func (r *restore) entry(ctx context.Context, kind journal.Kind) (*journal.Entry, error) {
	// xid, user, system, run: what an in-doubt entry is settled by.
	rows, err := r.production.rows(ctx, "SELECT pg_current_xact_id()::text, current_user, system_identifier::text, coalesce("+catalog.RunSQL+", '') FROM pg_control_system()")
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	now := time.Now().UTC()
	return &journal.Entry{
		ID: journal.NewID(now), Time: now, Kind: kind, Outcome: journal.InDoubt,
		Database: r.production.catalog.Database, User: *rows[0][1], Application: "rowback restore", Client: host,
		XID: *rows[0][0], Server: journal.Server{SystemID: *rows[0][2], Started: catalog.RunStart(*rows[0][3])}, Restores: r.o.Source.IDs,
	}, nil
}

// record adds a table to e, and the keys that a query returns.
func (r *restore) record(ctx context.Context, e *journal.Entry, keys *journal.Keys, t journal.Table, sql string) error {
	n := len(e.Tables)
	t.KeysCaptured = true
	e.Tables = append(e.Tables, t)
	return r.production.each(ctx, sql, func(row []*string) error { return keys.Add(journal.Row{Table: n, Values: row}) })
}

func joinClose(err error, keys *journal.Keys) error { return errors.Join(err, keys.Close()) }

func journalColumns(t *catalog.Table, names []string) []journal.Column {
	out := make([]journal.Column, len(names))
	for i, n := range names {
		out[i] = journal.Column{Name: n, Type: t.Column(n).Type}
	}
	return out
}

// recorded are the values of t's key columns as deletions have them on record.
func recorded(t *catalog.Table, key, values []string) string {
	out := make([]string, len(key))
	for i, c := range key {
		x, err := sqlparse.ValueExpr(values[i], t.Column(c).BaseType)
		if err != nil { // no deletion has such a key
			x = values[i] + "::text"
		}
		out[i] = x
	}
	return strings.Join(out, ", ")
}
