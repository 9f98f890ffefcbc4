package journal

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"time"
)

var _ Keeper = (*embedded)(nil)

func (j *embedded) Selected(ctx context.Context, f Filter) (n int64, err error) {
	s := j.store.Load()
	where, args := f.where()
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM entry WHERE "+where, args...).Scan(&n); err != nil {
		return 0, j.failed(s, err)
	}
	return n, nil
}

func (j *embedded) Stored(ctx context.Context) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		images := "0"
		if j.store.Load().version >= 3 {
			images = "coalesce((SELECT sum(length(data)) FROM image WHERE entry = e.no), 0)"
		}
		var last Stored
		after := int64(math.MinInt64)
		for {
			got, err := j.stored(ctx, images, after, last.ID)
			if err != nil {
				yield(Stored{}, err)
				return
			}
			for _, last = range got {
				if !yield(last, nil) {
					return
				}
			}
			if len(got) < page {
				return
			}
			after = last.Time.UnixNano()
		}
	}
}

const storedPage = " FROM entry e WHERE (time, id) > (?, ?) ORDER BY time, id LIMIT ?"

// stored reads a page: see Entries. It begins where the index has its first, and reads
// none of those before.
func (j *embedded) stored(ctx context.Context, images string, after int64, id string) ([]Stored, error) {
	s := j.store.Load()
	rows, err := s.read.QueryContext(ctx, "SELECT id, time, outcome, length(body) + coalesce((SELECT sum(length(data)) FROM block WHERE entry = e.no), 0) + "+images+
		storedPage, after, id, page)
	if err != nil {
		return nil, j.failed(s, err)
	}
	defer rows.Close()
	var out []Stored
	for rows.Next() {
		var r Stored
		var at int64
		if err := rows.Scan(&r.ID, &at, &r.Outcome, &r.Bytes); err != nil {
			return nil, j.failed(s, err)
		}
		r.Time = time.Unix(0, at).UTC()
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, j.failed(s, err)
	}
	return out, nil
}

func (j *embedded) Remove(ctx context.Context, ids []string) error {
	return j.submit(ctx, false, func(ctx context.Context, s *store) error {
		for _, id := range ids {
			result, err := s.write.ExecContext(ctx, "DELETE FROM entry WHERE id = ? AND outcome <> 'in_doubt'", id)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n > 0 {
				continue
			}
			var there int
			if err := s.write.QueryRowContext(ctx, "SELECT count(*) FROM entry WHERE id = ?", id).Scan(&there); err != nil {
				return err
			}
			if there > 0 {
				return fmt.Errorf("%w: %s", ErrInDoubt, id)
			}
		}
		return nil
	})
}

func (j *embedded) RemoveApprovals(ctx context.Context, before time.Time) (n int64, err error) {
	err = j.submit(ctx, false, func(ctx context.Context, s *store) error {
		n = 0
		for _, text := range []string{
			"DELETE FROM allowance WHERE expires < ?1",
			"DELETE FROM hold WHERE time < ?1 AND (state <> 'waiting' OR json_extract(CAST(body AS TEXT), '$.expires') < strftime('%Y-%m-%dT%H:%M:%SZ', ?1 / 1000000000, 'unixepoch'))",
		} {
			result, err := s.write.ExecContext(ctx, text, before.UnixNano())
			if err != nil {
				return err
			}
			gone, err := result.RowsAffected()
			if err != nil {
				return err
			}
			n += gone
		}
		return nil
	})
	return n, err
}

func (j *embedded) StoredImages(ctx context.Context, id string) (*ImageSet, iter.Seq2[[]byte, error], error) {
	f, err := j.find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	set, err := j.imageSet(ctx, f)
	if err != nil || set == nil {
		return nil, nil, err
	}
	return set, EachBlock(set.Blocks, func(n int) ([]byte, error) { return j.imageBlock(ctx, f, n) }), nil
}

// EachBlock yields n blocks as block reads them.
func EachBlock(n int64, block func(n int) ([]byte, error)) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			data, err := block(int(i))
			if !yield(data, err) || err != nil {
				return
			}
		}
	}
}

func (j *embedded) Check(ctx context.Context) error {
	s := j.store.Load()
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		if err := j.pragma(ctx, s, pragma); err != nil {
			return j.failed(s, err)
		}
	}
	return nil
}

// pragma runs one that says what is wrong, in rows; or "ok".
func (j *embedded) pragma(ctx context.Context, s *store, name string) error {
	rows, err := s.read.QueryContext(ctx, "PRAGMA "+name)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		said := make([]sql.NullString, len(columns))
		to := make([]any, len(said))
		for i := range said {
			to[i] = &said[i]
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if said[0].String != "ok" {
			return fmt.Errorf("%w: %s: %s says %s", ErrDamaged, s.path, name, said[0].String)
		}
	}
	return rows.Err()
}

// Shrink needs the file twice on the disk while it lasts.
func (j *embedded) Shrink(ctx context.Context) error {
	s := j.store.Load()
	if s.readOnly {
		return fmt.Errorf("%w: %s", ErrReadOnly, s.path)
	}
	db, err := sql.Open("sqlite3", s.dsn("mode=rw"))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, text := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return explain(s.path, err)
		}
	}
	return nil
}
