package journal

import (
	"context"
	"database/sql"
	"errors"
	"iter"
)

func (j *embedded) Rows(ctx context.Context, id string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		f, err := j.find(ctx, id)
		if err != nil {
			yield(Row{}, err)
			return
		}
		ReadRows(f.entry, f.keys, func(n int) ([]byte, error) { return j.block(ctx, f, n) })(yield)
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
		return nil, LacksBlock(f.entry.ID, n)
	}
	if err != nil {
		return nil, j.failed(s, err)
	}
	return data, nil
}
