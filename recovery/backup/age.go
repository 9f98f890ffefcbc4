package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// newest finds the newest point in time that any row holds. Days to come are
// left out: they are plans.
func (v *verification) newest(ctx context.Context) error {
	v.o.Progress.Start("looking for the newest row", 0)
	tables := make([]*catalog.Table, 0, len(v.catalog.Tables))
	for _, t := range v.catalog.Tables {
		if recovery.HoldsRows(t) {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b *catalog.Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	now := v.o.Now().UTC()
	for _, t := range tables {
		for _, c := range t.Columns {
			if c.BaseType != "timestamptz" && c.BaseType != "timestamp" {
				continue
			}
			quoted := pgx.Identifier{c.Name}.Sanitize()
			rows, err := v.session.Rows(ctx, fmt.Sprintf(`SELECT to_char(max(%s)::timestamptz, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM %s WHERE %[1]s <= '%[3]s' AND %[1]s > '1900-01-01'`,
				quoted, t.QuotedName(), now.Format(time.RFC3339)))
			if err != nil {
				return err
			}
			if rows[0][0] == nil {
				continue
			}
			at, err := time.Parse(time.RFC3339, *rows[0][0])
			if err != nil {
				return err
			}
			if v.report.Newest == nil || at.After(v.report.Newest.Time) {
				v.report.Newest = &Newest{Table: journal.QuoteName(t.Schema, t.Name), Column: c.Name, Time: at, Age: now.Sub(at).Round(time.Second).Seconds()}
			}
		}
	}
	switch n := v.report.Newest; {
	case v.o.MaxAge == 0:
	case n == nil:
		v.problem("no row holds a point in time: it is not known how old it is")
	case now.Sub(n.Time) > v.o.MaxAge:
		v.problem("its newest row is of %s, older than %v", n.Time.Format(time.RFC3339), v.o.MaxAge)
	}
	return nil
}

// entries looks up the keys of the journal's newest deletions: what of them
// this backup could bring back.
func (v *verification) entries(ctx context.Context) error {
	if v.o.Journal == nil || v.o.Entries <= 0 {
		return nil
	}
	v.o.Progress.Start("looking up the journal's keys", 0)
	n := 0
	for e, err := range v.o.Journal.Entries(ctx, journal.Filter{Database: v.o.Database, Kind: journal.Deletion, Outcome: journal.Committed}) {
		if err != nil {
			return err
		}
		if n++; n > v.o.Entries {
			return nil
		}
		if stayed(e) {
			continue
		}
		found, err := v.entry(ctx, e)
		if err != nil {
			return fmt.Errorf("entry %s: %w", e.ID, err)
		}
		v.report.Entries = append(v.report.Entries, found)
		if n := unkeyed(e); n > 0 {
			v.report.Warnings = append(v.report.Warnings, fmt.Sprintf("entry %s has no keys of %s that it removed: whether they are in it nothing tells", e.ID, recovery.Plural(n, "row")))
		}
		if recovery.Unnumbered(e) {
			v.report.Warnings = append(v.report.Warnings, fmt.Sprintf("entry %s removed what nobody could count: whether it is in it nothing tells", e.ID))
		}
		// What was deleted before the backup was made cannot be in it, nor what was
		// made after; which of newer deletions were of such rows nothing tells.
		if newest := v.report.Newest; found.Keys > 0 && found.Present == 0 && newest != nil && e.Time.After(newest.Time) {
			v.report.Warnings = append(v.report.Warnings, fmt.Sprintf("none of the %s that entry %s lost is in it, though the deletion is newer than its newest row: they were made after the backup, or it is of another database",
				recovery.Plural(found.Keys, "row"), e.ID))
		}
	}
	return nil
}

// unkeyed is how many rows e removed that are on record neither by key nor whole.
func unkeyed(e *journal.Entry) (n int64) {
	for _, t := range e.Tables {
		if t.Removed() && !t.KeysCaptured && !t.RowsCaptured {
			n += t.Rows
		}
	}
	return n
}

// gone: its rows are not there any more, neither marked nor cut loose.
func gone(t journal.Table) bool { return t.Removed() && t.Via != journal.SoftDelete }

// stayed: all that e took of its rows are marks, links and the like, of which a backup that
// has the rows tells nothing.
func stayed(e *journal.Entry) bool { return len(e.Tables) > 0 && !slices.ContainsFunc(e.Tables, gone) }

func (v *verification) entry(ctx context.Context, e *journal.Entry) (EntryKeys, error) {
	out := EntryKeys{ID: e.ID, Time: e.Time}
	batches := map[int]*recovery.Batch{}
	flush := func(i int) error {
		n, err := v.present(ctx, e.Tables[i], batches[i])
		out.Present += n
		batches[i].Reset()
		return err
	}
	for row, err := range v.o.Journal.Rows(ctx, e.ID) {
		if err != nil {
			return out, err
		}
		share := e.Tables[row.Table]
		if !gone(share) {
			continue
		}
		out.Keys++
		if batches[row.Table] == nil {
			batches[row.Table] = &recovery.Batch{}
		}
		b := batches[row.Table]
		b.Add(row.Values[:len(share.Key)])
		if b.Full() {
			if err := flush(row.Table); err != nil {
				return out, err
			}
		}
	}
	for i, b := range batches {
		if b.Len() == 0 {
			continue
		}
		if err := flush(i); err != nil {
			return out, err
		}
	}
	return out, nil
}

// present counts the keys of the batch that the database has.
func (v *verification) present(ctx context.Context, share journal.Table, b *recovery.Batch) (int64, error) {
	t := v.catalog.Lookup(share.Schema, share.Name)
	if t == nil {
		return 0, nil
	}
	equal, err := v.session.Equality(ctx, t)
	if err != nil {
		return 0, err
	}
	var same []string
	columns := b.Columns(len(share.Key))
	for i, k := range share.Key {
		c := t.Column(k.Name)
		if c == nil {
			return 0, nil
		}
		same = append(same, equal(k.Name).SQL("l."+pgx.Identifier{k.Name}.Sanitize(), "k."+columns[i]+"::"+c.Type))
	}
	return v.session.Number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE EXISTS (SELECT FROM %s l WHERE %s)", b.SQL("k"), t.QuotedName(), strings.Join(same, " AND ")))
}
