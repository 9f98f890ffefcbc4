package recovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// viaRestore marks rows that a restore inserted.
const viaRestore journal.Via = "restore"

// commit makes the evidence durable, commits, and records the outcome. From
// here on an interrupt is not heard: the journal must learn how it ended.
func (r *restore) commit(ctx context.Context, committed *bool) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	r.committing = true
	ctx = context.WithoutCancel(ctx)
	r.o.Progress.Start("writing the evidence", 0)
	entry, keys, err := r.evidence(ctx)
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
	if err := r.o.Journal.Settle(ctx, entry.ID, journal.Committed); err != nil {
		r.warn("the rows are back and committed, but the journal could not record the outcome of " + entry.ID + ": " + err.Error())
	}
	return entry.ID, nil
}

// uncommitted settles an entry whose COMMIT failed, or whose answer was lost.
// nil: it turned out to have committed.
func (r *restore) uncommitted(ctx context.Context, e *journal.Entry, cause error) error {
	outcome := journal.RolledBack
	if r.production.conn.IsClosed() {
		again, err := connect(ctx, "production", r.o.Production, r.o.Source.Database)
		if err != nil {
			return fmt.Errorf("the connection broke at COMMIT; whether the rows are back is not known (journal entry %s, in doubt); run the restore again, it restores only what is absent: %w", e.ID, cause)
		}
		r.production = again
		rows, err := again.rows(ctx, "SELECT pg_catalog.pg_xact_status("+literal(e.XID)+"::pg_catalog.xid8)")
		if err != nil || rows[0][0] == nil || *rows[0][0] == "in progress" {
			return errors.Join(fmt.Errorf("the connection broke at COMMIT; whether the rows are back is not known (journal entry %s, in doubt): %w", e.ID, cause), err)
		}
		if *rows[0][0] == "committed" {
			return r.o.Journal.Settle(ctx, e.ID, journal.Committed)
		}
	}
	return errors.Join(cause, r.o.Journal.Settle(ctx, e.ID, outcome))
}

// evidence is the journal entry of this restore: what it inserted, by key, and
// which links it restored. The caller closes the keys.
func (r *restore) evidence(ctx context.Context) (*journal.Entry, *journal.Keys, error) {
	// xid, user, system, start: what an in-doubt entry is settled by.
	rows, err := r.production.rows(ctx, `SELECT pg_current_xact_id()::text, current_user, system_identifier::text,
		to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM pg_control_system()`)
	if err != nil {
		return nil, nil, err
	}
	started, err := time.Parse(time.RFC3339Nano, *rows[0][3])
	if err != nil {
		return nil, nil, err
	}
	host, _ := os.Hostname()
	now := time.Now().UTC()
	e := &journal.Entry{
		ID: journal.NewID(now), Time: now, Kind: journal.Restore, Outcome: journal.InDoubt,
		Database: r.production.catalog.Database, User: *rows[0][1], Application: "rowback restore", Client: host,
		XID: *rows[0][0], Server: journal.Server{SystemID: *rows[0][2], Started: started}, Restores: r.o.Source.IDs,
	}
	keys := journal.NewKeys("")
	fail := func(err error) (*journal.Entry, *journal.Keys, error) {
		return nil, nil, errors.Join(err, keys.Close())
	}
	add := func(t journal.Table, sql string) error {
		n := len(e.Tables)
		e.Tables = append(e.Tables, t)
		return r.production.each(ctx, sql, func(row []*string) error { return keys.Add(journal.Row{Table: n, Values: row}) })
	}
	for _, t := range r.tables {
		if t.count.Restored == 0 {
			continue
		}
		e.Rows += t.count.Restored
		err := add(journal.Table{Schema: t.live.Schema, Name: t.live.Name, OID: t.live.OID, Rows: t.count.Restored, Via: viaRestore, KeysCaptured: true, Key: journalColumns(t.live, t.key)},
			fmt.Sprintf("SELECT %s FROM %s s", texts("s", t.key), t.in))
		if err != nil {
			return fail(err)
		}
	}
	for _, l := range r.links {
		if l.relinked == 0 {
			continue
		}
		err := add(journal.Table{Schema: l.live.Schema, Name: l.live.Name, OID: l.live.OID, Rows: l.relinked, Via: l.via, KeysCaptured: true,
			Key: journalColumns(l.live, l.key), Old: journalColumns(l.live, l.old)},
			fmt.Sprintf("SELECT %s FROM %s x WHERE rowback_class = '%s'", texts("x", slices.Concat(l.keys(), l.olds())), l.staged, linkCut))
		if err != nil {
			return fail(err)
		}
	}
	e.Statements = []journal.Statement{{SQL: strings.TrimSpace("rowback restore " + strings.Join(e.Restores, " ")), Tag: fmt.Sprintf("INSERT 0 %d", e.Rows)}}
	return e, keys, nil
}

func journalColumns(t *catalog.Table, names []string) []journal.Column {
	out := make([]journal.Column, len(names))
	for i, n := range names {
		out[i] = journal.Column{Name: n, Type: t.Column(n).Type}
	}
	return out
}
