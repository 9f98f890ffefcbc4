package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// bulkDiffs compare databases of very many rows of which production has lost one
// in a hundred of the larger table's.
func bulkDiffs(l *lab) []work {
	return l.grows("diff", l.bulkDiff)
}

func (l *lab) bulkDiff(ctx context.Context, name string, s *scaled) (out []result, err error) {
	data := bulk{"diff", s.rows}
	defer func() { err = errors.Join(err, data.drop(ctx, l)) }()
	missing := 0
	b := &bench{name: name, peer: "COPY of keys", goal: atMost(1.2), rounds: bulkRounds}
	b.setup = func(ctx context.Context) error {
		if err := data.make(ctx, l, true); err != nil {
			return err
		}
		return connected(ctx, l.server.URL(data.production(true)), func(conn *pgx.Conn) error {
			tag, err := conn.Exec(ctx, "DELETE FROM c WHERE id % 100 = 1")
			if missing = int(tag.RowsAffected()); err == nil {
				_, err = conn.Exec(ctx, "VACUUM ANALYZE")
			}
			return err
		})
	}
	b.measure = func(ctx context.Context, ours bool) (sample, error) {
		keys := 2*(s.rows+len(bulkTables)) - missing // with the row of each table that always stays
		if !ours {
			return l.copyKeys(ctx, data.name(), data.production(true), bulkTables, keys)
		}
		did, peak, lost, err := l.diff(ctx, data.production(true), data.name(), bulkTables, keys)
		if err == nil && lost != missing {
			err = fmt.Errorf("rowback diff found %d rows lost, not %d", lost, missing)
		}
		s.add(did.took, peak)
		return did, err
	}
	return b.run(ctx, l)
}
