package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// victims is the table that rows are deleted from, one at a time, and how many
// it needs: more than can be deleted in the time.
const (
	victims        = "victims"
	deletesASecond = 60_000
	clients        = 16
)

// deletes are autocommitted deletes of one row by key, synchronous_commit on.
func deletes(l *lab) []work {
	// Each client has keys of its own.
	script := filepath.Join(l.dir, "delete.sql")
	text := fmt.Sprintf("\\set n :n + 1\n\\set id :n * %d + :client_id\nDELETE FROM %s WHERE id = :id;\n", clients, victims)
	var cases []work
	for _, protocol := range []string{"simple", "prepared"} {
		cases = append(cases, &bench{
			name: fmt.Sprintf("DELETE of one row, -M %s -c %d", protocol, clients), peer: "direct", goal: atLeast(0.8), setup: l.pgbenchTables,
			measure: func(ctx context.Context, ours bool) (sample, error) {
				if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
					return sample{}, err
				}
				rows := deletesASecond * (warming + l.seconds)
				if err := l.fill(ctx, rows); err != nil {
					return sample{}, err
				}
				s, total, err := l.pgbench(ctx, l.through(ours), clients, "-M", protocol, "-D", "n=-1", "-f", script)
				if err != nil {
					return s, err
				}
				return s, l.deleted(ctx, rows, total)
			},
		})
	}
	return cases
}

// fill fills the table anew, with keys from 0. rowback is shown that it is there:
// what is measured is not how it reads the catalog.
func (l *lab) fill(ctx context.Context, rows int) error {
	err := l.execute(ctx, pgbenchDatabase, "CREATE TABLE IF NOT EXISTS "+victims+" (id int PRIMARY KEY, filler text)", "TRUNCATE "+victims,
		fmt.Sprintf("INSERT INTO %s SELECT id, repeat('x', 80) FROM generate_series(0, %d) id", victims, rows-1), "VACUUM ANALYZE "+victims)
	if err != nil {
		return err
	}
	return connected(ctx, l.block.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		for range 2 { // the first reads the catalog for itself, the second for all
			if _, err := conn.Exec(ctx, "DELETE FROM "+victims+" WHERE id = -1"); err != nil {
				return err
			}
		}
		return nil
	})
}

// deleted makes sure that each delete found its row.
func (l *lab) deleted(ctx context.Context, rows, want int) error {
	return connected(ctx, l.server.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		var left int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+victims).Scan(&left); err != nil {
			return err
		}
		if rows-left != want {
			return fmt.Errorf("%d deletes removed %d rows", want, rows-left)
		}
		return nil
	})
}

// pipelined is how many deletes are sent without waiting for an answer.
const pipelined = 1000

// pipelines are deletes of one row in one pipeline, one transaction.
func pipelines(l *lab) []work {
	return []work{&bench{
		name: fmt.Sprintf("DELETE of one row, %d in a pipeline", pipelined), peer: "direct", goal: atMost(1.3), setup: l.pgbenchTables,
		measure: func(ctx context.Context, ours bool) (s sample, err error) {
			if err := l.fill(ctx, pipelined); err != nil {
				return s, err
			}
			err = connected(ctx, l.through(ours).URL(pgbenchDatabase), func(conn *pgx.Conn) error {
				var batch pgx.Batch
				for id := range pipelined {
					batch.Queue("DELETE FROM "+victims+" WHERE id = $1", id)
				}
				begun := time.Now()
				err := conn.SendBatch(ctx, &batch).Close()
				s = sample{pipelined, time.Since(begun), nil}
				return err
			})
			if err != nil {
				return s, err
			}
			return s, l.deleted(ctx, pipelined, pipelined)
		},
	}}
}
