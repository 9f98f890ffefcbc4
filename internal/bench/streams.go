package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// The table that is copied out has copyRow bytes a row.
const (
	copied  = "copied"
	copyRow = 1 << 10
)

// streams are large results, and COPY in and out.
func streams(l *lab) []work {
	script := filepath.Join(l.dir, "wide.sql")
	wide := l.against("SELECT of a row of 1 MiB, -c 4", "pgbouncer", l.bouncer, 4, "-M", "prepared", "-f", script)
	wide.goal = atLeast(1)
	wide.setup = func(ctx context.Context) error {
		if err := l.pgbenchTables(ctx); err != nil {
			return err
		}
		return os.WriteFile(script, []byte("SELECT repeat('x', 1048576);\n"), 0o600)
	}
	through := func(ours bool) way {
		if ours {
			return l.block
		}
		return l.bouncer
	}
	return []work{
		wide,
		&bench{
			name: fmt.Sprintf("COPY out of %d MiB", l.copyMiB), peer: "pgbouncer", goal: atLeast(1), setup: l.copyTables,
			measure: func(ctx context.Context, ours bool) (sample, error) { return l.copyOut(ctx, through(ours)) },
		},
		&bench{
			name: fmt.Sprintf("COPY in of %d MiB", l.copyMiB), peer: "pgbouncer", goal: atLeast(1), setup: l.copyTables,
			measure: func(ctx context.Context, ours bool) (sample, error) { return l.copyIn(ctx, through(ours)) },
		},
	}
}

// copyTables makes a full one and an empty one, without indexes and WAL: what is measured is the way there.
func (l *lab) copyTables(ctx context.Context) error {
	if err := l.pgbenchTables(ctx); err != nil {
		return err
	}
	return l.once(copied, func() error {
		return l.execute(ctx, pgbenchDatabase, "CREATE UNLOGGED TABLE "+copied+" (t text)", "CREATE UNLOGGED TABLE "+copied+"_in (t text)",
			fmt.Sprintf("INSERT INTO %s SELECT repeat('x', %d) FROM generate_series(1, %d)", copied, copyRow-1, l.copyMiB<<20/copyRow), "VACUUM ANALYZE "+copied)
	})
}

func (l *lab) copyOut(ctx context.Context, through way) (s sample, err error) {
	err = connected(ctx, through.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		begun := time.Now()
		tag, err := conn.PgConn().CopyTo(ctx, io.Discard, "COPY "+copied+" TO STDOUT")
		s = sample{int(tag.RowsAffected()), time.Since(begun), nil}
		return err
	})
	return s, err
}

func (l *lab) copyIn(ctx context.Context, through way) (s sample, err error) {
	if err := l.execute(ctx, pgbenchDatabase, "TRUNCATE "+copied+"_in"); err != nil {
		return s, err
	}
	row := append(bytes.Repeat([]byte("x"), copyRow-1), '\n')
	rows := io.LimitReader(&repeated{block: bytes.Repeat(row, 64)}, int64(l.copyMiB)<<20)
	err = connected(ctx, through.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		begun := time.Now()
		tag, err := conn.PgConn().CopyFrom(ctx, rows, "COPY "+copied+"_in FROM STDIN")
		s = sample{int(tag.RowsAffected()), time.Since(begun), nil}
		return err
	})
	return s, err
}

// repeated reads the same block for ever.
type repeated struct {
	block []byte
	at    int
}

// Read implements io.Reader.
func (r *repeated) Read(b []byte) (int, error) {
	n := copy(b, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}
