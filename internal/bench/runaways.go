package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// least is from how many rows on a DELETE is probed before it runs (guard/runaway.go).
const least = 1_000_000

// published is the size for which the target is set.
const published = 100_000_000

// runaways are how much of its work a DELETE has done before it is refused: in
// time, and in rows that were touched. What a refusal takes does not grow with the
// table, so the same is said for a table of the size that the target names.
func runaways(l *lab) []work {
	rows := min(l.runaway, l.room())
	name := fmt.Sprintf("refusal of a DELETE of %d rows", rows)
	return []work{&other{name, func(ctx context.Context) ([]result, error) {
		if rows <= least {
			return nil, fmt.Errorf("a table of %d rows is not large enough to be probed (BENCH_RUNAWAY, and the disk's free space)", rows)
		}
		if err := l.pgbenchTables(ctx); err != nil {
			return nil, err
		}
		if err := l.fillLarge(ctx, rows); err != nil {
			return nil, err
		}
		var refused, shares, touched, far []float64
		times := make([]time.Duration, l.rounds)
		for i := range times {
			took, seen, err := l.refuse(ctx)
			if err != nil {
				return nil, err
			}
			times[i] = took
			touched = append(touched, 100*float64(seen)/float64(rows))
		}
		whole, err := l.emptyLarge(ctx, l.server)
		if err != nil {
			return nil, err
		}
		for i, took := range times {
			share := 100 * took.Seconds() / whole.took.Seconds()
			refused, shares = append(refused, took.Seconds()), append(shares, share)
			far = append(far, max(share, touched[i])*float64(rows)/published)
		}
		g := goal{}
		if rows >= published {
			g = atMost(1)
		}
		r := result{Name: name, Peer: "the whole DELETE", Unit: "s", Peers: whole.took.Seconds(), Ours: middle(refused), Figure: "%"}
		byRows := result{Name: name + ", rows touched", Peer: "the whole DELETE", Unit: "rows", Peers: float64(rows), Ours: middle(touched) / 100 * float64(rows), Figure: "%"}
		large := result{Name: fmt.Sprintf("the same of %d rows, reckoned", published), Unit: "s", Ours: middle(refused), Figure: "%"}
		return []result{r.figures(shares, g), byRows.figures(touched, g), large.figures(far, atMost(1))}, nil
	}}}
}

// room is how many rows of the large table the disk has room for, beside its WAL
// (max_wal_size, and a half) and what else there is.
func (l *lab) room() int {
	const each, beside = 160, 14 << 30 // bytes
	var fs syscall.Statfs_t
	if err := syscall.Statfs(l.server.Dir, &fs); err != nil {
		return math.MaxInt
	}
	free := int64(fs.Bavail) * int64(fs.Bsize)
	return int(max(free-beside, 0)/each/1_000_000) * 1_000_000
}

// refuse has the DELETE refused, and says how many rows the server has touched for that.
func (l *lab) refuse(ctx context.Context) (took time.Duration, touched int64, err error) {
	before, err := l.touched(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = connected(ctx, l.block.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "DELETE FROM "+large+" WHERE id = -1"); err != nil { // reads the catalog
			return err
		}
		begun := time.Now()
		_, err := conn.Exec(ctx, "DELETE FROM "+large+" WHERE id > 0")
		took = time.Since(begun)
		if refusal := (*pgconn.PgError)(nil); !errors.As(err, &refusal) || refusal.Code != "RB001" {
			return fmt.Errorf("it was not refused: %v", err)
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	after, err := l.touched(ctx)
	return took, after - before, err
}

// touched is how many rows of the large table were read or removed so far. A
// session that has ended has told all that it did, at the latest when it is gone.
func (l *lab) touched(ctx context.Context) (n int64, err error) {
	err = connected(ctx, l.server.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		for {
			others := 0
			err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()", large).Scan(&others)
			if err != nil {
				return err
			}
			if others == 0 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		return conn.QueryRow(ctx, "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) + n_tup_del FROM pg_stat_user_tables WHERE relname = $1", large).Scan(&n)
	})
	return n, err
}
