package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// FromConn makes a Querier of a connection; closing it stays the caller's.
func FromConn(c *pgx.Conn) Querier { return connQuerier{c} }

type connQuerier struct{ conn *pgx.Conn }

// Query uses the simple protocol, whose results are text.
func (q connQuerier) Query(ctx context.Context, sql string) ([][]*string, error) {
	results, err := q.conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]*string
	for _, r := range results {
		for _, values := range r.Rows {
			row := make([]*string, len(values))
			for i, v := range values {
				if v != nil {
					s := string(v)
					row[i] = &s
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
