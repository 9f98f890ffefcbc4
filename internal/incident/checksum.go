package incident

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Checksums returns a checksum for each of Tables, over every column of every
// row, whatever their order, all of one instant. Equal contents have equal
// checksums on any server of the same major version.
func Checksums(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	sums := make(map[string]string)
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// A row's text depends on these.
		_, err := tx.Exec(ctx, `SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true), set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true)`)
		if err != nil {
			return err
		}
		for _, table := range Tables {
			var rows int64
			var sum string
			err := tx.QueryRow(ctx, "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM "+table+" t").Scan(&rows, &sum)
			if err != nil {
				return err
			}
			sums[table] = fmt.Sprintf("%d rows, %s", rows, sum)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("incident: checksums: %w", err)
	}
	return sums, nil
}

// Sequences returns where each table's sequence stands: its next value.
func Sequences(ctx context.Context, conn *pgx.Conn) (map[string]int64, error) {
	next := make(map[string]int64)
	for _, table := range Tables {
		var n int64
		err := conn.QueryRow(ctx, "SELECT last_value + is_called::int FROM "+table+"_id_seq").Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("incident: sequence of %s: %w", table, err)
		}
		next[table] = n
	}
	return next, nil
}
