package diff

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rowback/rowback/recovery"
)

// worker compares one table at a time.
type worker struct {
	*run
	backup, live *recovery.Session // the two streams
	probe        *recovery.Session // has the journal's keys, and looks keys up in production; nil: nobody has asked yet

	staged     bool           // the probe has the journal's keys
	recorded   *stream        // these, where the streams alone prove what is lost
	candidates recovery.Batch // else: keys that seem lost
}

// probed is how many keys are looked up at a time.
const probed = 4096

func (w *worker) open(ctx context.Context) error {
	g, both := errgroup.WithContext(ctx)
	g.Go(func() (err error) { w.backup, err = w.run.recovery.session(both); return err })
	g.Go(func() (err error) { w.live, err = w.production.session(both); return err })
	return g.Wait()
}

func (w *worker) openProbe(ctx context.Context) (err error) {
	if w.probe == nil {
		w.probe, err = w.production.session(ctx)
	}
	return err
}

func (w *worker) close() {
	for _, s := range []*recovery.Session{w.backup, w.live, w.probe} {
		if s != nil {
			_ = s.Close() // read only
		}
	}
}

func (w *worker) compare(ctx context.Context, p *pair) error {
	w.staged, w.recorded = false, nil
	stream := func() error { return w.stream(ctx, p) }
	if p.where != "" {
		stream = func() error {
			return w.backup.Own(ctx, func() error { return w.live.Own(ctx, func() error { return w.stream(ctx, p) }) })
		}
	}
	if err := stream(); err != nil {
		return err
	}
	if w.recorded != nil { // it may have more than the backup
		if _, err := w.recorded.result.Close(); err != nil {
			return w.probe.Explain(err)
		}
	}
	return w.lookUp(ctx, p)
}

// stream reads both sides.
func (w *worker) stream(ctx context.Context, p *pair) error {
	var more []string
	if w.o.Rows {
		more = append(more, p.contents())
	}
	backup := read(ctx, w.backup, p, p.query(p.backup, w.run.recovery.utf8, more...), len(more))
	live := read(ctx, w.live, p, p.query(p.live, w.production.utf8, more...), len(more))
	if err := w.merge(ctx, p, backup, live); err != nil {
		return err
	}
	p.count.Backup, p.count.Live = backup.n, live.n
	return nil
}

func (w *worker) merge(ctx context.Context, p *pair, backup, live *stream) error {
	for _, s := range []*stream{backup, live} {
		if err := s.next(); err != nil {
			return err
		}
	}
	told := int64(0)
	for backup.row != nil || live.row != nil {
		where := 0
		switch {
		case live.row == nil:
			where = -1
		case backup.row == nil:
			where = 1
		default:
			where = p.compare(backup.row, live.row)
		}
		switch {
		case where < 0:
			if err := w.absent(ctx, p, backup.row); err != nil {
				return err
			}
		case where > 0:
			p.count.New++
		case w.o.Rows && !bytes.Equal(backup.row[len(p.key)], live.row[len(p.key)]):
			p.count.Changed++
			if err := w.out.write(p, recovery.DiffChanged, p.texts(backup.row)); err != nil {
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

// absent handles a row of the backup that production's stream has not.
func (w *worker) absent(ctx context.Context, p *pair, row [][]byte) error {
	if !p.exact() {
		w.candidates.Add(p.texts(row))
		if w.candidates.Len() >= probed || w.candidates.Full() {
			return w.lookUp(ctx, p)
		}
		return nil
	}
	deleted, err := w.onRecord(ctx, p, row)
	if err != nil {
		return err
	}
	return w.gone(p, p.texts(row), deleted)
}

// gone counts a key that is proved absent from production.
func (w *worker) gone(p *pair, key []*string, recorded bool) error {
	if recorded {
		p.count.Recorded++
		return w.out.write(p, recovery.DiffRecorded, key)
	}
	p.count.Lost++
	return w.out.write(p, recovery.DiffLost, key)
}

// lookUp decides about the candidates: production is asked for each by its own
// equality and without the condition, and the journal's keys for the same.
func (w *worker) lookUp(ctx context.Context, p *pair) error {
	if w.candidates.Len() == 0 {
		return nil
	}
	if err := w.openProbe(ctx); err != nil {
		return err
	}
	if err := w.stage(ctx, p); err != nil {
		return err
	}
	same, err := w.probe.Equality(ctx, p.live)
	if err != nil {
		return err
	}
	var there, recorded []string
	columns := w.candidates.Columns(len(p.key))
	for i, c := range p.key {
		quoted, value := pgx.Identifier{c.name}.Sanitize(), "k."+columns[i]+"::"+c.typ
		there = append(there, same(c.name).SQL("l."+quoted, value))
		recorded = append(recorded, same(c.name).SQL("r."+quoted, value))
	}
	known := "false"
	if len(w.run.recorded[p]) > 0 {
		known = fmt.Sprintf("coalesce((SELECT r.rowback_deleted FROM pg_temp.rowback_recorded r WHERE %s ORDER BY r.rowback_no LIMIT 1), false)", strings.Join(recorded, " AND "))
	}
	sql := fmt.Sprintf("SELECT %s, EXISTS (SELECT FROM %s l WHERE %s)::text, (%s)::text FROM %s",
		strings.Join(columns, ", "), only(p.live), strings.Join(there, " AND "), known, w.candidates.SQL("k"))
	w.candidates.Reset()
	return w.probe.Each(ctx, sql, func(row []*string) error {
		if *row[len(p.key)] == "true" {
			p.count.Otherwise++
			return nil
		}
		return w.gone(p, row[:len(p.key)], *row[len(p.key)+1] == "true")
	})
}
