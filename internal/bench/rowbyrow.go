package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// rowByRow is what is written by hand on the night: for each key, which is known
// already, the row is read from the backup and inserted into production, parents
// first, in one transaction, with prepared statements. An ORM does more for each.
func (l *lab) rowByRow(ctx context.Context) (s sample, err error) {
	err = connected(ctx, l.server.URL(shop), func(from *pgx.Conn) error {
		if err := know(ctx, from); err != nil {
			return err
		}
		return connected(ctx, l.server.URL(shopOf(false)), func(to *pgx.Conn) error {
			begun := time.Now()
			if _, err := to.Exec(ctx, "BEGIN"); err != nil {
				return err
			}
			for _, c := range cascade {
				n, err := oneByOne(ctx, from, to, c.table)
				if err != nil {
					return fmt.Errorf("%s: %w", c.table, err)
				}
				s.done += n
			}
			_, err := to.Exec(ctx, "COMMIT")
			s.took = time.Since(begun)
			return err
		})
	})
	return s, err
}

func oneByOne(ctx context.Context, from, to *pgx.Conn, table string) (rows int, err error) {
	found, _ := from.Query(ctx, "SELECT id FROM lost_"+table)
	ids, err := pgx.CollectRows(found, pgx.RowTo[int64])
	if err != nil {
		return 0, err
	}
	insert := ""
	for _, id := range ids {
		read, _ := from.Query(ctx, "SELECT * FROM "+table+" WHERE id = $1", id)
		row, err := pgx.CollectExactlyOneRow(read, func(r pgx.CollectableRow) ([]any, error) { return r.Values() })
		if err != nil {
			return rows, err
		}
		if insert == "" {
			var places []string
			for i := range row {
				places = append(places, fmt.Sprintf("$%d", i+1))
			}
			insert = "INSERT INTO " + table + " OVERRIDING SYSTEM VALUE VALUES (" + strings.Join(places, ", ") + ")"
		}
		if _, err := to.Exec(ctx, insert, row...); err != nil {
			return rows, err
		}
		rows++
	}
	return rows, nil
}
