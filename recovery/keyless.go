package recovery

import (
	"context"
	"fmt"
	"strings"
)

const noKey = "the table has no primary key or unique not-null key"

// presentKeyless is present for a table without a key. Rows that a restore has brought
// back before, as the journal knows, are present where identical ones are there, and
// else may have been changed, or removed, since. Of other deletions a row is absent
// if none is in production that is identical; whether an identical one is the same
// or another, nobody can tell.
func (r *restore) presentKeyless(ctx context.Context, t *table) error {
	out := func(feeds, reason string) error {
		return r.production.exec(ctx, fmt.Sprintf(`
			WITH d AS (DELETE FROM %[1]s s WHERE %[2]s RETURNING s.*)
			INSERT INTO %[3]s (%[4]s, rowback_class, rowback_reason) SELECT %[4]s, '%[5]s', %[6]s FROM d`,
			t.in, feeds, t.left, list("", t.columns), classDifferent, literal(reason)))
	}
	identical := fmt.Sprintf("EXISTS (SELECT FROM %s l WHERE %s)", only(t.live), t.is("l", "s"))
	for _, f := range t.images {
		b, some := r.broughtBack(f)
		if !some {
			continue
		}
		n, err := r.production.affect(ctx, r.stillBack(t, f, b))
		if err != nil {
			return err
		}
		t.count.AlreadyPresent += n
		if err := out(fmt.Sprintf("s.rowback_feed = %d", f.n), b.reason()); err != nil {
			return err
		}
	}
	return out(identical, "an identical row is in production, and the table has no key to tell whether it is the same; insert it by hand if it is another")
}

// stillBack takes the rows of f out of staging that restores have brought back, as far
// as identical rows, as many, are in production, or come back for a deletion since.
func (r *restore) stillBack(t *table, f *imageFeed, b back) string {
	hash := func(alias string) string {
		return fmt.Sprintf("pg_catalog.hashtextextended(ROW(%s)::text, 0) AS rowback_hash", list(alias+".", t.kinds[f.kind]))
	}
	there := fmt.Sprintf("SELECT %s FROM %s l", hash("l"), only(t.live))
	for _, o := range t.images {
		if b.by != nil && r.o.Source.of[o.n].ID > b.by.ID && o.kind == f.kind {
			there += fmt.Sprintf(" UNION ALL SELECT %s FROM %s o WHERE o.rowback_feed = %d", hash("o"), t.in, o.n)
		}
	}
	return fmt.Sprintf(`
		WITH n AS (SELECT rowback_at, rowback_hash, row_number() OVER (PARTITION BY rowback_hash) AS rowback_nth
		           FROM (SELECT s.ctid AS rowback_at, %s FROM %s s WHERE s.rowback_feed = %d) s),
		     h AS (SELECT rowback_hash, count(*) AS rowback_of FROM (%s) l WHERE rowback_hash IN (SELECT rowback_hash FROM n) GROUP BY 1)
		DELETE FROM %[2]s s USING n JOIN h USING (rowback_hash) WHERE s.ctid = n.rowback_at AND rowback_nth <= rowback_of`,
		hash("s"), t.in, f.n, there)
}

// broughtBack: restores of the same deletion have brought rows of this table back.
func (r *restore) broughtBack(f *imageFeed) (b back, some bool) {
	b, some = r.back[r.o.Source.of[f.n].ID][f.t.name()]
	return b, some
}

// lockKeyless keeps other writers out of the tables without a key that rows may go
// into, until the transaction ends: else another restore of them, which nobody sees
// yet, would be missed. It comes before everything that is read in the transaction.
func (r *restore) lockKeyless(ctx context.Context) error {
	var names, locks []string
	for _, t := range r.tables {
		if len(t.key) == 0 && t.count.Requested > 0 {
			names, locks = append(names, t.name()), append(locks, only(t.live))
		}
	}
	if len(locks) == 0 {
		return nil
	}
	r.o.Progress.Start("waiting for the lock on "+strings.Join(names, ", "), 0)
	return r.production.exec(ctx, "LOCK TABLE "+strings.Join(locks, ", ")+" IN SHARE ROW EXCLUSIVE MODE")
}

// locked says for which tables other writers have to wait.
func (r *restore) locked() (notes []string) {
	for _, t := range r.tables {
		if len(t.key) == 0 && t.count.Restored > 0 {
			notes = append(notes, "other writers of "+t.name()+" wait while its rows are brought back: it has no key that would tell two restores of a row")
		}
	}
	return notes
}

// unrestoredKeyless lists the rows of t that stay out, a line a reason: nothing
// but all of its values names such a row.
func (r *restore) unrestoredKeyless(ctx context.Context, t *table) (out []Unrestored, err error) {
	err = r.production.each(ctx, fmt.Sprintf("SELECT rowback_reason, count(*) FROM %s x WHERE %s GROUP BY 1 ORDER BY 1", t.left, r.listedClasses()), func(row []*string) error {
		out = append(out, Unrestored{Schema: t.live.Schema, Table: t.live.Name, Reason: strings.TrimSpace(*row[1] + " rows: " + *row[0])})
		return nil
	})
	return out, err
}
