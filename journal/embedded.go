package journal

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// embedded is the journal in an SQLite file.
type embedded struct {
	dir     string
	options Options
	store   atomic.Pointer[store] // replaced by the writer goroutine only

	writes   chan *write
	patience time.Duration // how long a write waits for another process that writes
	quit     chan struct{} // closed by Close
	stopped  chan struct{} // closed by the writer goroutine
	close    func() error  // once
}

func openEmbedded(ctx context.Context, dir string, o Options) (*embedded, error) {
	s, err := openStore(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	o.MustExist, o.Lock = false, nil
	j := &embedded{
		dir:      dir,
		options:  o,
		writes:   make(chan *write),
		patience: busyTimeout,
		quit:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	j.store.Store(s)
	j.close = sync.OnceValue(func() error {
		close(j.quit)
		<-j.stopped
		return j.store.Load().close()
	})
	go j.writeLoop()
	return j, nil
}

// Close waits for what is being written; what waits behind it gets ErrClosed.
func (j *embedded) Close() error { return j.close() }

// failed explains a failed read of s.
func (j *embedded) failed(s *store, err error) error {
	select {
	case <-j.quit:
		return ErrClosed
	default:
		if s.readOnly && sqlitePermission(err) {
			return unreadable(s.path, err)
		}
		return explain(s.path, err)
	}
}

func (j *embedded) Append(ctx context.Context, e *Entry, keys *Keys) error {
	body, count, err := EncodeEntry(e, keys, j.options.Key)
	if err != nil {
		return err
	}
	return j.submit(ctx, false, func(ctx context.Context, s *store) error {
		result, err := s.insert.entry.ExecContext(ctx, e.ID, e.Time.UnixNano(), e.Kind, e.Outcome,
			e.Database, e.User, e.Application, e.Proxy, e.Rows, count, body)
		if isUnique(err) {
			return exists(AnEntry, e.ID)
		}
		if err != nil {
			return err
		}
		no, err := result.LastInsertId()
		if err != nil {
			return err
		}
		for _, t := range e.Tables {
			if _, err := s.insert.touched.ExecContext(ctx, t.Name, t.Schema, no); err != nil {
				return err
			}
		}
		if err := s.insertImages(ctx, no, e.ID, keys); err != nil {
			return err
		}
		return s.insertBlocks(ctx, no, keys)
	})
}

func (s *store) insertBlocks(ctx context.Context, entry int64, keys *Keys) error {
	n := 0
	for b, err := range keys.Blocks() {
		if err != nil {
			return err
		}
		if _, err := s.insert.block.ExecContext(ctx, entry, n, b.Rows, b.Data); err != nil {
			return err
		}
		n++
	}
	return nil
}

func (j *embedded) Settle(ctx context.Context, id string, o Outcome) error {
	if err := CheckOutcome(o); err != nil {
		return err
	}
	return j.submit(ctx, true, func(ctx context.Context, s *store) error {
		result, err := s.settle.ExecContext(ctx, o, id)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return s.whyNotSettled(ctx, id)
	})
}

func (s *store) whyNotSettled(ctx context.Context, id string) error {
	rows, err := s.write.QueryContext(ctx, "SELECT outcome FROM entry WHERE id = ?", id)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), notFound(AnEntry, id))
	}
	var is Outcome
	if err := rows.Scan(&is); err != nil {
		return err
	}
	return Settled(id, is)
}

func (j *embedded) Prepared(ctx context.Context, id string, server Server) error {
	return j.submit(ctx, true, func(ctx context.Context, s *store) error {
		var body []byte
		err := s.write.QueryRowContext(ctx, "SELECT body FROM entry WHERE id = ? AND outcome = 'in_doubt'", id).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return s.whyNotSettled(ctx, id)
		}
		if err == nil {
			body, err = EncodePrepared(id, body, server)
		}
		if err == nil {
			_, err = s.write.ExecContext(ctx, "UPDATE entry SET body = ? WHERE id = ?", body, id)
		}
		return err
	})
}

func (j *embedded) Entry(ctx context.Context, id string) (*Entry, error) {
	f, err := j.find(ctx, id)
	return f.entry, err
}
