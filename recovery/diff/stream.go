package diff

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/recovery"
)

// stream is ordered rows that begin with a key.
type stream struct {
	session *recovery.Session
	pair    *pair
	result  *pgconn.ResultReader
	row     [][]byte // nil at the end; good until the next call of next
	last    [][]byte // the key before
	n       int64
}

// read begins a stream of p.query with so many columns more. It is one statement,
// whatever the condition says.
func read(ctx context.Context, s *recovery.Session, p *pair, sql string, more int) *stream {
	return &stream{session: s, pair: p, result: s.Conn().ExecParams(ctx, sql, nil, nil, nil, p.formats(more))}
}

// next goes on to the next row, and proves that the order is the one that
// compare knows: else rows would be called lost that are not.
func (s *stream) next() error {
	if s.last == nil {
		s.last = make([][]byte, len(s.pair.key))
	} else {
		for i := range s.last {
			s.last[i] = append(s.last[i][:0], s.row[i]...)
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
	for _, v := range s.row[:len(s.pair.key)] {
		if v == nil {
			return errors.New("a key is NULL")
		}
	}
	if s.n == 1 {
		return nil
	}
	switch n := s.pair.compare(s.last, s.row); {
	case n > 0:
		return errors.New("the keys do not come in the order that they should; nothing can be said of this table")
	case n == 0:
		return errors.New("a key is there twice: its unique index is damaged or was slipped past; see `rowback check`")
	}
	return nil
}
