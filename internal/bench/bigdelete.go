package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// large is the table that is emptied by one statement.
const large = "large"

// bigDeletes are one DELETE of very many rows, keys captured, and the memory that
// takes: the proxy's greatest, above what it has while idle.
func bigDeletes(l *lab) []work {
	name := fmt.Sprintf("DELETE of %d rows in one statement", l.big)
	return []work{&other{name, func(ctx context.Context) ([]result, error) {
		if err := l.pgbenchTables(ctx); err != nil {
			return nil, err
		}
		var above []float64
		b := &bench{name: name, peer: "direct", goal: atMost(1.5), rounds: 2, setup: l.pgbenchTables,
			measure: func(ctx context.Context, ours bool) (s sample, err error) {
				if err := l.fillLarge(ctx, l.big); err != nil {
					return s, err
				}
				if !ours {
					return l.emptyLarge(ctx, l.server)
				}
				p, err := l.startProxy(ctx, "alert") // one that has not been large before
				if err != nil {
					return s, err
				}
				defer func() { _ = p.stop() }()
				peak := newPeak(p.process.PID())
				if s, err = l.emptyLarge(ctx, noted{p, peak.begin}); err != nil {
					return s, err
				}
				mib, err := peak.above()
				above = append(above, mib)
				return s, err
			}}
		out, err := b.run(ctx, l)
		if err != nil || !hasProc() {
			return out, err
		}
		memory := result{Name: name + ", memory above idle", Unit: "MiB", Ours: middle(above), Figure: "MiB"}
		return append(out, memory.figures(above, atMost(64))), nil
	}}}
}

// fillLarge makes the table anew.
func (l *lab) fillLarge(ctx context.Context, rows int) error {
	return l.execute(ctx, pgbenchDatabase, "CREATE TABLE IF NOT EXISTS "+large+" (id bigint PRIMARY KEY, filler text)", "TRUNCATE "+large,
		fmt.Sprintf("INSERT INTO %s SELECT id, repeat('x', 80) FROM generate_series(1, %d) id", large, rows), "VACUUM ANALYZE "+large)
}

// noted is a way on which something is to be done once a session is open.
type noted struct {
	way
	opened func() error
}

func (l *lab) emptyLarge(ctx context.Context, through way) (s sample, err error) {
	err = connected(ctx, through.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "DELETE FROM "+large+" WHERE id = -1"); err != nil { // reads the catalog
			return err
		}
		if n, ok := through.(noted); ok {
			if err := n.opened(); err != nil {
				return err
			}
		}
		begun := time.Now()
		tag, err := conn.Exec(ctx, "DELETE FROM "+large+" WHERE id > 0")
		s = sample{int(tag.RowsAffected()), time.Since(begun), nil}
		return err
	})
	return s, err
}
