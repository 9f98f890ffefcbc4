package diff

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/recovery"
)

// stream is the ordered rows of one side.
type stream struct {
	session *recovery.Session
	pair    *pair
	result  *pgconn.ResultReader
	row     [][]byte // nil at the end; good until the next call of next
	last    [][]byte
	n       int64
}

// read begins a stream. It is one statement, whatever the condition says.
func read(ctx context.Context, s *recovery.Session, p *pair, sql string) *stream {
	return &stream{session: s, pair: p, result: s.Conn().ExecParams(ctx, sql, nil, nil, nil, nil)}
}

// next goes on to the next row, and proves that the order is the one that
// compare knows: else rows would be called lost that are not.
func (s *stream) next() error {
	if s.row != nil {
		s.last = s.last[:0]
		for _, v := range s.row {
			s.last = append(s.last, append([]byte{}, v...))
		}
	}
	if !s.result.NextRow() {
		s.row = nil
		if _, err := s.result.Close(); err != nil {
			return s.session.Explain(err)
		}
		return nil
	}
	s.row = s.result.Values()
	s.n++
	if len(s.last) == 0 {
		return nil
	}
	switch n, err := s.pair.compare(s.last, s.row); {
	case err != nil:
		return err
	case n > 0:
		return errors.New("the keys do not come in the order that they should; nothing can be said of this table")
	case n == 0:
		return errors.New("a key is there twice: its unique index is damaged or was slipped past; see `rowback check`")
	}
	return nil
}
