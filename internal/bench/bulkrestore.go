package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// bulkRounds are the rounds of what takes minutes.
const bulkRounds = 2

// bulkRestores bring very many rows back that a DELETE through rowback has removed.
func bulkRestores(l *lab) []work {
	return l.grows("restore", l.bulkRestore)
}

// grows is a case of several sizes: time is to grow with the rows, memory not at all.
func (l *lab) grows(what string, measure func(context.Context, string, *scaled) ([]result, error)) []work {
	return []work{&other{fmt.Sprintf("%s of %s rows", what, listed(l.bulks)), func(ctx context.Context) (out []result, err error) {
		var least *scaled
		for _, rows := range l.bulks {
			s := &scaled{rows: rows}
			lines, err := measure(ctx, fmt.Sprintf("%s of %d rows", what, rows), s)
			if err != nil {
				return nil, err
			}
			if out = append(out, lines...); hasProc() {
				out = append(out, s.memory(lines[0].Name))
			}
			if least == nil {
				least = s
			} else {
				out = append(out, s.growth(what, least)...)
			}
		}
		return out, nil
	}}}
}

// bulkRestore restores the same rows in each round: they are removed again by
// TRUNCATE, of which rowback knows nothing.
func (l *lab) bulkRestore(ctx context.Context, name string, s *scaled) (out []result, err error) {
	data := bulk{"restore", s.rows}
	defer func() { err = errors.Join(err, data.drop(ctx, l)) }()
	b := &bench{name: name, peer: "raw COPY", goal: atMost(1.5), rounds: bulkRounds}
	want := ""
	b.setup = func(ctx context.Context) (err error) {
		if err := data.make(ctx, l, false, true); err != nil {
			return err
		}
		if want, err = data.sum(ctx, l, data.name()); err != nil {
			return err
		}
		return connected(ctx, l.alert.URL(data.production(true)), func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "DELETE FROM p WHERE "+bulkTables[0].condition)
			return err
		})
	}
	b.before = func(ctx context.Context, _ int) error {
		for _, ours := range []bool{false, true} {
			err := l.execute(ctx, data.production(ours), "CREATE TEMP TABLE kept_p AS SELECT * FROM p WHERE id = 0; CREATE TEMP TABLE kept_c AS SELECT * FROM c WHERE id = 0;"+
				"TRUNCATE p, c; INSERT INTO p TABLE kept_p; INSERT INTO c TABLE kept_c", "VACUUM ANALYZE", "CHECKPOINT")
			if err != nil {
				return err
			}
		}
		return nil
	}
	b.measure = func(ctx context.Context, ours bool) (did sample, err error) {
		if ours {
			var peak float64
			did, peak, err = l.restore(ctx, data.production(true), data.name(), s.rows)
			s.add(did.took, peak)
		} else {
			did, err = l.rawCopy(ctx, data.name(), data.production(false), bulkTables)
		}
		if err != nil {
			return did, err
		}
		have, err := data.sum(ctx, l, data.production(ours))
		if err == nil && (have != want || did.done != s.rows) {
			err = fmt.Errorf("%s has %s after %d of %d rows, the backup %s", data.production(ours), have, did.done, s.rows, want)
		}
		return did, err
	}
	return b.run(ctx, l)
}
