package diff

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// worker compares one table at a time.
type worker struct {
	*run
	backup, live *recovery.Session // the two streams
	probe        *recovery.Session // looks keys up in production

	candidates recovery.Batch // keys that seem lost
	recorded   bool           // the table's deletions on record are in the probe's temporary table
}

// probed is how many keys are looked up at a time.
const probed = 4096

func (w *worker) compare(ctx context.Context, p *pair) error {
	if err := w.prepare(ctx, p); err != nil {
		return err
	}
	var more []string
	if w.o.Rows {
		more = append(more, p.contents())
	}
	backup := read(ctx, w.backup, p, p.query(p.backup, w.run.recovery.utf8, more...))
	live := read(ctx, w.live, p, p.query(p.live, w.production.utf8, more...))
	if err := w.merge(ctx, p, backup, live); err != nil {
		return err
	}
	p.count.Backup, p.count.Live = backup.n, live.n
	return w.lookUp(ctx, p)
}

func (w *worker) merge(ctx context.Context, p *pair, backup, live *stream) error {
	for _, s := range []*stream{backup, live} {
		if err := s.next(); err != nil {
			return err
		}
	}
	told := int64(0)
	for backup.row != nil || live.row != nil {
		where, err := 0, error(nil)
		switch {
		case live.row == nil:
			where = -1
		case backup.row == nil:
			where = 1
		default:
			if where, err = p.compare(backup.row, live.row); err != nil {
				return err
			}
		}
		switch {
		case where < 0:
			w.candidates.Add(texts(backup.row[:len(p.key)]))
			if w.candidates.Len() >= probed || w.candidates.Full() {
				if err := w.lookUp(ctx, p); err != nil {
					return err
				}
			}
		case where > 0:
			p.count.New++
		case w.o.Rows && !bytes.Equal(backup.row[len(p.key)], live.row[len(p.key)]):
			p.count.Changed++
			if err := w.out.write(p, recovery.DiffChanged, texts(backup.row[:len(p.key)])); err != nil {
				return err
			}
		}
		if where <= 0 {
			if err := backup.next(); err != nil {
				return err
			}
		}
		if where >= 0 {
			if err := live.next(); err != nil {
				return err
			}
		}
		if backup.n-told >= 1000 {
			w.o.Progress.Add(backup.n - told)
			told = backup.n
		}
	}
	w.o.Progress.Add(backup.n - told)
	return nil
}

// lookUp decides about the candidates: production is asked for each by its own
// equality and without the condition, and the journal's keys for the same.
func (w *worker) lookUp(ctx context.Context, p *pair) error {
	if w.candidates.Len() == 0 {
		return nil
	}
	var there, recorded []string
	columns := w.candidates.Columns(len(p.key))
	for i, c := range p.key {
		quoted := pgx.Identifier{c.name}.Sanitize()
		there = append(there, fmt.Sprintf("l.%s = k.%s::%s", quoted, columns[i], c.typ))
		recorded = append(recorded, fmt.Sprintf("r.%s = k.%s::%s", quoted, columns[i], c.typ))
	}
	known := "false"
	if w.recorded {
		known = fmt.Sprintf("coalesce((SELECT r.deleted FROM pg_temp.rowback_recorded r WHERE %s), false)", strings.Join(recorded, " AND "))
	}
	sql := fmt.Sprintf("SELECT %s, EXISTS (SELECT FROM %s l WHERE %s)::text, (%s)::text FROM %s",
		strings.Join(columns, ", "), only(p.live), strings.Join(there, " AND "), known, w.candidates.SQL("k"))
	w.candidates.Reset()
	return w.probe.Each(ctx, sql, func(row []*string) error {
		key := row[:len(p.key)]
		switch {
		case *row[len(p.key)] == "true":
			p.count.Otherwise++
			return nil
		case *row[len(p.key)+1] == "true":
			p.count.Recorded++
			return w.out.write(p, recovery.DiffRecorded, key)
		}
		p.count.Lost++
		return w.out.write(p, recovery.DiffLost, key)
	})
}

// prepare gives the probe the journal's keys of the table.
func (w *worker) prepare(ctx context.Context, p *pair) error {
	w.recorded = len(w.run.recorded[p]) > 0
	if !w.recorded {
		return nil
	}
	var keys, columns, casts []string
	var batch recovery.Batch
	for i, c := range p.key {
		keys = append(keys, pgx.Identifier{c.name}.Sanitize())
		columns = batch.Columns(len(p.key))
		casts = append(casts, columns[i]+"::"+c.typ)
	}
	list := strings.Join(keys, ", ")
	// A temporary table can be made only before the transaction that is read only.
	err := w.probe.Exec(ctx, fmt.Sprintf(`ROLLBACK; DROP TABLE IF EXISTS pg_temp.rowback_recorded;
		CREATE TEMP TABLE rowback_recorded AS SELECT %s, true AS deleted FROM %s WITH NO DATA;
		ALTER TABLE pg_temp.rowback_recorded ADD PRIMARY KEY (%s);
		SET enable_seqscan = off`, list, p.live.QuotedName(), list))
	if err != nil {
		return fmt.Errorf("the keys on record in the journal need a temporary table: %w", err)
	}
	if err := w.production.join(ctx, w.probe); err != nil {
		return err
	}
	// The newest evidence comes first and stays.
	flush := func(deleted bool) error {
		if batch.Len() == 0 {
			return nil
		}
		sql := fmt.Sprintf("INSERT INTO pg_temp.rowback_recorded SELECT %s, %t FROM %s ON CONFLICT DO NOTHING", strings.Join(casts, ", "), deleted, batch.SQL("k"))
		batch.Reset()
		return w.probe.Exec(ctx, sql)
	}
	for _, e := range w.run.recorded[p] {
		for row, err := range w.o.Journal.Rows(ctx, e.id) {
			if err != nil {
				return err
			}
			order := e.shares[row.Table]
			if order == nil {
				continue
			}
			batch.Add(arranged(row, order))
			if batch.Full() {
				if err := flush(e.deleted); err != nil {
					return err
				}
			}
		}
		if err := flush(e.deleted); err != nil {
			return err
		}
	}
	return nil
}

// arranged are a journal row's key values in the order of the table's key.
func arranged(row journal.Row, order []int) []*string {
	out := make([]*string, len(order))
	for i, at := range order {
		out[i] = row.Values[at]
	}
	return out
}

func texts(values [][]byte) []*string {
	out := make([]*string, len(values))
	for i, v := range values {
		s := string(v)
		out[i] = &s
	}
	return out
}
