package diff

import (
	"context"
	"fmt"
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

// fill copies the journal's keys of the table to the probe, many entries at a time.
func (w *worker) fill(ctx context.Context, p *pair) error {
	var batch recovery.Batch
	columns := batch.Columns(len(p.key) + 2)
	for i, c := range p.key {
		columns[i] += "::" + c.typ
	}
	columns[len(p.key)] += "::bool"
	columns[len(p.key)+1] += "::int"
	flush := func() error {
		if batch.Len() == 0 {
			return nil
		}
		sql := fmt.Sprintf("INSERT INTO pg_temp.rowback_recorded SELECT %s FROM %s", strings.Join(columns, ", "), batch.SQL("k"))
		batch.Reset()
		return w.probe.Exec(ctx, sql)
	}
	for no, e := range w.run.recorded[p] {
		deleted, no := strconv.FormatBool(e.deleted), strconv.Itoa(no)
		for row, err := range w.o.Journal.Rows(ctx, e.id) {
			if err != nil {
				return err
			}
			order := e.shares[row.Table]
			if order == nil {
				continue
			}
			batch.Add(append(arranged(row, order), &deleted, &no))
			if batch.Full() {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// arranged are a journal row's key values in the order of the table's key.
func arranged(row journal.Row, order []int) []*string {
	out := make([]*string, len(order))
	for i, at := range order {
		out[i] = row.Values[at]
	}
	return out
}
