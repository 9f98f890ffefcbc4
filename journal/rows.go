package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
)

func (j *embedded) Rows(ctx context.Context, id string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		f, err := j.find(ctx, id)
		left := f.keys
		for n := 0; err == nil && left > 0; n++ {
			var raw []byte
			if raw, err = j.block(ctx, f, n); err != nil {
				break
			}
			for row, bad := range rawRows(raw) {
				if left--; left < 0 || row.Table >= len(f.entry.Tables) {
					bad = errBadBlock
				}
				if bad != nil {
					err = fmt.Errorf("%w: entry %s, block %d", bad, f.entry.ID, n)
					break
				}
				if !yield(row, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(Row{}, err)
		}
	}
}

// block reads one block of an entry. Every block is a query of its own: entries
// never change, and no read stays open while the caller works on a row, which
// would keep the write-ahead log from being trimmed.
func (j *embedded) block(ctx context.Context, f found, n int) ([]byte, error) {
	s := j.store.Load()
	var data []byte
	err := s.read.QueryRowContext(ctx, "SELECT data FROM block WHERE entry = ? AND no = ?", f.no, n).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: entry %s lacks block %d of its keys", ErrDamaged, f.entry.ID, n)
	}
	if err != nil {
		return nil, j.failed(s, err)
	}
	return unpack(data)
}
