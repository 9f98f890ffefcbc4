package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// stage brings the keys of all entries into temporary tables: of rows with the
// transaction that inserted them (as xmin shows it), of links with the values.
func (u *undo) stage(ctx context.Context) error {
	for _, t := range u.tables {
		columns := list("", t.key)
		if len(t.key) == 0 {
			columns = "tableoid AS rowback_table, ctid AS rowback_at"
		}
		err := u.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s, NULL::text AS rowback_xmin, NULL::text AS rowback_class FROM %s WITH NO DATA",
			local(t.in), columns, t.live.QuotedName()))
		if err != nil {
			return err
		}
	}
	for _, l := range u.links {
		if err := u.makeLink(ctx, l); err != nil {
			return err
		}
	}
	if err := u.makeRemarks(ctx); err != nil {
		return err
	}
	base := 0
	for _, e := range u.entries {
		u.o.Progress.Start("reading "+e.ID, e.Rows)
		for row, err := range u.o.Journal.Rows(ctx, e.ID) {
			if err != nil {
				return fmt.Errorf("reading the keys: %w", err)
			}
			i := base + row.Table
			b := u.pendingOf(i)
			if b == nil {
				continue
			}
			b.add(row.Values)
			if b.full() {
				if err := u.flush(ctx, i); err != nil {
					return err
				}
			}
		}
		for i := range e.Tables {
			if err := u.flush(ctx, base+i); err != nil {
				return err
			}
		}
		base += len(e.Tables)
	}
	if err := u.stageKeyless(ctx); err != nil {
		return err
	}
	for _, t := range u.tables {
		if len(t.key) == 0 {
			continue
		}
		if _, err := u.dedupe(ctx, t.in, t.key, "ctid"); err != nil { // the newest restore is staged first
			return err
		}
		if err := u.indexOne(ctx, t.in, t.key); err != nil {
			return err
		}
	}
	for _, m := range u.remarks {
		if err := u.indexOne(ctx, m.staged, m.key); err != nil {
			return err
		}
	}
	if err := u.indexLinks(ctx); err != nil {
		return err
	}
	if err := u.lastOnly(ctx); err != nil {
		return err
	}
	return u.laterRestores(ctx)
}

// lastOnly leaves a link, or a mark, that several of the restores set back to the last of
// them: it is what the row holds, and what was there before is the deletion's again.
func (u *undo) lastOnly(ctx context.Context) error {
	if err := u.supersedeLinks(ctx, "DELETE FROM %s x"); err != nil {
		return err
	}
	type by struct{ table, key, columns string }
	groups := map[by][]latest{}
	for _, m := range u.remarked() {
		at := by{display(m.live), list("", m.key), list("", slices.Sorted(slices.Values(m.columns)))}
		groups[at] = append(groups[at], latest{m.staged, m.key, m.same})
	}
	for _, g := range groups {
		if err := u.supersede(ctx, g, "DELETE FROM %s x"); err != nil {
			return err
		}
	}
	return nil
}

func (u *undo) pendingOf(i int) *batch {
	if l := u.byFeed[i]; l != nil {
		return &l.pending
	}
	if t := u.feeds[i]; t != nil {
		return &t.pending
	}
	if m := u.remarks[i]; m != nil {
		return &m.pending
	}
	return nil
}

func (u *undo) flush(ctx context.Context, i int) error {
	b := u.pendingOf(i)
	if b == nil || b.n == 0 {
		return nil
	}
	defer u.o.Progress.Add(int64(b.n))
	if l := u.byFeed[i]; l != nil {
		return u.stageLink(ctx, l)
	}
	if m := u.remarks[i]; m != nil {
		return u.stageRemark(ctx, m)
	}
	t := u.feeds[i]
	defer t.pending.reset()
	var values []string
	for n, k := range positions("k", len(u.order[i])) {
		values = append(values, k+"::"+t.detail.columns[u.order[i][n]].bare)
	}
	// xmin is the transaction's id without its epoch.
	return u.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s, rowback_xmin) SELECT %s, '%d' FROM %s",
		t.in, list("", u.order[i]), strings.Join(values, ", "), uint32(u.xids[i]), t.pending.sql("k")))
}

// evidence is the journal entry of the undo: a deletion like any other.
func (u *undo) evidence(ctx context.Context) (*journal.Entry, *journal.Keys, error) {
	e, err := u.entry(ctx, journal.Deletion)
	if err != nil {
		return nil, nil, err
	}
	keys := journal.NewKeys("")
	for _, t := range u.tables {
		c := u.report.count(t.live)
		if c.Removed == 0 {
			continue
		}
		e.Rows += c.Removed
		if len(t.key) == 0 {
			e.Tables = append(e.Tables, journal.Table{Schema: t.live.Schema, Name: t.live.Name, OID: t.live.OID, Rows: c.Removed, Via: journal.Direct, Why: noKey})
			continue
		}
		err = u.record(ctx, e, keys, journal.Table{Schema: t.live.Schema, Name: t.live.Name, OID: t.live.OID, Rows: c.Removed, Via: journal.Direct, Key: journalColumns(t.live, t.key)},
			fmt.Sprintf("SELECT %s FROM %s s WHERE rowback_class = '%s'", recorded(t.live, t.key, prefixed("s", t.key)), t.in, undoRemove))
		if err != nil {
			return nil, nil, joinClose(err, keys)
		}
	}
	for _, l := range u.links {
		if l.relinked == 0 {
			continue
		}
		err = u.record(ctx, e, keys, journal.Table{Schema: l.live.Schema, Name: l.live.Name, OID: l.live.OID, Rows: l.relinked, Via: l.via,
			Key: journalColumns(l.live, l.key), Old: journalColumns(l.live, l.old)},
			fmt.Sprintf("SELECT %s FROM %s x WHERE rowback_class = '%s'", recorded(l.live, l.key, prefixed("x", l.keys()))+", "+texts("x", l.olds()), l.staged, undoRemove))
		if err != nil {
			return nil, nil, joinClose(err, keys)
		}
	}
	if err := u.recordRemarks(ctx, e, keys); err != nil {
		return nil, nil, joinClose(err, keys)
	}
	e.Statements = []journal.Statement{{SQL: "rowback restore --undo " + strings.Join(e.Restores, " "), Tag: fmt.Sprintf("DELETE %d", e.Rows)}}
	return e, keys, nil
}
