package diff

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// onRecord reports whether the newest that the journal has of a key is its deletion.
// Keys are asked for in their order.
func (w *worker) onRecord(ctx context.Context, p *pair, row [][]byte) (bool, error) {
	if err := w.stage(ctx, p); err != nil {
		return false, err
	}
	for w.recorded != nil && w.recorded.row != nil {
		if n := p.compare(w.recorded.row, row); n >= 0 {
			return n == 0 && string(w.recorded.row[len(p.key)]) == "true", nil
		}
		if err := w.recorded.next(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// stage gives the probe the journal's keys of the table, the newest evidence first: when the
// first row is found absent. Where nothing is lost nobody needs them.
func (w *worker) stage(ctx context.Context, p *pair) error {
	if w.staged || len(w.run.recorded[p]) == 0 {
		return nil
	}
	w.staged = true
	if err := w.openProbe(ctx); err != nil {
		return err
	}
	var keys, values []string
	for _, c := range p.key {
		keys = append(keys, pgx.Identifier{c.name}.Sanitize())
		values = append(values, c.value)
	}
	list := strings.Join(keys, ", ")
	index := ""
	if !p.exact() {
		index = "; CREATE INDEX ON pg_temp.rowback_recorded (" + list + ")"
	}
	// A temporary table can be made only before the transaction that is read only.
	err := w.probe.Exec(ctx, fmt.Sprintf(`ROLLBACK; DROP TABLE IF EXISTS pg_temp.rowback_recorded;
		CREATE TEMP TABLE rowback_recorded AS SELECT %s, true AS rowback_deleted, 0 AS rowback_no FROM %s WITH NO DATA%s;
		SET enable_seqscan = off`, list, p.live.QuotedName(), index))
	if err != nil {
		return fmt.Errorf("the keys on record in the journal need a temporary table: %w", err)
	}
	if err := w.production.join(ctx, w.probe); err != nil {
		return err
	}
	if err := w.fill(ctx, p); err != nil || !p.exact() {
		return err
	}
	w.recorded = read(ctx, w.probe, p, fmt.Sprintf("SELECT DISTINCT ON (%s) %s, rowback_deleted::text FROM pg_temp.rowback_recorded t ORDER BY %s, rowback_no",
		list, strings.Join(values, ", "), list), 1)
	return w.recorded.next()
}

// fill copies the journal's keys of the table to the probe, many entries at a time: those
// of the same types together, for others than they have now may have no such values.
func (w *worker) fill(ctx context.Context, p *pair) error {
	pending := map[string]*recovery.Batch{}
	for no, e := range w.run.recorded[p] {
		deleted, no := strconv.FormatBool(e.deleted), strconv.Itoa(no)
		for row, err := range w.o.Journal.Rows(ctx, e.id) {
			if err != nil {
				return err
			}
			of, ours := e.shares[row.Table]
			if !ours {
				continue
			}
			b := pending[of.types]
			if b == nil {
				b = &recovery.Batch{}
				pending[of.types] = b
			}
			b.Add(append(arranged(row, of.order), &deleted, &no))
			if b.Full() {
				if err := w.flush(ctx, p, b); err != nil {
					return err
				}
			}
		}
	}
	for _, types := range slices.Sorted(maps.Keys(pending)) {
		if err := w.flush(ctx, p, pending[types]); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) flush(ctx context.Context, p *pair, b *recovery.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	defer b.Reset()
	columns := b.Columns(len(p.key) + 2)
	for i, c := range p.key {
		columns[i] += "::" + c.typ
	}
	columns[len(p.key)] += "::bool"
	columns[len(p.key)+1] += "::int"
	err := w.probe.Exec(ctx, fmt.Sprintf("SAVEPOINT rowback; INSERT INTO pg_temp.rowback_recorded SELECT %s FROM %s; RELEASE rowback", strings.Join(columns, ", "), b.SQL("k")))
	if of := recovery.OfAnotherType(err); of != nil {
		p.unread = of
		return w.probe.Exec(ctx, "ROLLBACK TO rowback; RELEASE rowback")
	}
	return err
}

// arranged are a journal row's key values in the order of the table's key.
func arranged(row journal.Row, order []int) []*string {
	out := make([]*string, len(order))
	for i, at := range order {
		out[i] = row.Values[at]
	}
	return out
}
