package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// mostIdle is how many idle sessions there are at most, each with a server
// connection of its own.
const mostIdle = 1000

// sessionsCurve is what sessions that do nothing cost those that work.
func sessionsCurve(l *lab) *growth {
	return &growth{
		curve: curve{Name: "Idle sessions", X: "idle sessions", Y: "queries/s",
			Note: "SELECT by key, -M prepared, 16 clients, while so many other sessions are open through the same proxy."},
		measure: func(ctx context.Context, c *curve) error {
			if err := l.pgbenchTables(ctx); err != nil {
				return err
			}
			for _, idle := range []int{1, 10, 100, 300, mostIdle} {
				for _, to := range []struct {
					name, addr string
					way
				}{{"rowback", l.block.addr, l.block}, {"pgbouncer", l.bouncer.Addr, l.bouncer}} {
					others, err := gather(ctx, to.addr, pgbenchDatabase, idle, false)
					if err != nil {
						return fmt.Errorf("%d sessions through %s: %w", idle, to.name, err)
					}
					s, _, err := l.pgbench(ctx, to.way, 16, "-f", l.selectScript(), "-M", "prepared")
					others.leave()
					if err != nil {
						return err
					}
					c.add(to.name, float64(idle), s.rate())
				}
			}
			return nil
		},
	}
}

// textCurve is what the length of a statement costs that removes nothing.
func textCurve(l *lab) *growth {
	return &growth{
		curve: curve{Name: "Statement size", X: "bytes of SQL text", Y: "µs",
			Note: "Median time of a SELECT of one string literal's length, as a simple Query, one client."},
		measure: func(ctx context.Context, c *curve) error {
			if err := l.pgbenchTables(ctx); err != nil {
				return err
			}
			for _, size := range []int{100, 1000, 10_000, 100_000, 1 << 20} {
				text := "SELECT length('" + filled(size-len("SELECT length('')")) + "')"
				for _, to := range []struct {
					name string
					way
				}{{"direct", l.server}, {"pgbouncer", l.bouncer}, {"rowback", l.block}} {
					took, err := timed(ctx, to.way, text, l.rounds)
					if err != nil {
						return err
					}
					c.add(to.name, float64(size), took)
				}
			}
			return nil
		},
	}
}

// filled is a text of n bytes like those of applications: words.
func filled(n int) string {
	const words = "some words of text, as they are, and "
	b := make([]byte, n)
	for i := range b {
		b[i] = words[i%len(words)]
	}
	return string(b)
}

// timed is the median time of a statement that is run for a while, µs.
func timed(ctx context.Context, through way, sql string, rounds int) (µs float64, err error) {
	var took []float64
	err = connected(ctx, through.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		for end := time.Now().Add(time.Duration(rounds) * 300 * time.Millisecond); time.Now().Before(end); {
			begun := time.Now()
			if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
				return err
			}
			took = append(took, float64(time.Since(begun))/float64(time.Microsecond))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return middle(took), nil
}
