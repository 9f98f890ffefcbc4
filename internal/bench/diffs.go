package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/incident"
)

// diffs compare the incident's four tables after it with the backup: `rowback
// diff`, from its start to its end, with copying the same keys out of both sides,
// all tables at once, and dropping them.
func diffs(l *lab) []work {
	return []work{&bench{
		name: "diff of the incident's four tables", peer: "COPY of keys", goal: atMost(1.2), setup: l.shop,
		before: func(ctx context.Context, round int) error {
			if round > 0 {
				return nil // nothing was changed
			}
			err := l.freshShops(ctx, round)
			if err == nil {
				_, err = l.massDelete(ctx, true, l.alert)
			}
			return err
		},
		measure: func(ctx context.Context, ours bool) (sample, error) {
			if !ours {
				return l.copyKeys(ctx, shop, shopOf(true), cascade, compared())
			}
			s, _, _, err := l.diff(ctx, shopOf(true), shop, cascade, compared())
			return s, err
		},
	}}
}

// compared is how many keys both sides have.
func compared() (keys int) {
	for _, c := range cascade {
		s := incident.Published.Share(c.table)
		keys += int(2*s.Rows - s.Lost)
	}
	return keys
}

// diff is `rowback diff`, its greatest memory, MiB, and how many rows it calls lost.
func (l *lab) diff(ctx context.Context, production, recovery string, tables []lost, keys int) (s sample, peak float64, missing int, err error) {
	args := []string{"diff", "--output", "json", "--journal", l.alert.journal, "--production", l.server.URL(production), "--recovery", l.server.URL(recovery)}
	for _, c := range tables {
		args = append(args, c.table)
	}
	cmd := l.command(ctx, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	begun := time.Now()
	peak, err = watched(cmd)
	s = sample{keys, time.Since(begun), nil}
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && ended.ExitCode() == 3 { // rows are lost: so they are
		err = nil
	}
	var report struct{ Lost int }
	if err == nil {
		err = json.Unmarshal(out.Bytes(), &report)
	}
	if err != nil {
		err = fmt.Errorf("rowback diff: %w\n%s%s", err, &out, &said)
	}
	return s, peak, report.Lost, err
}

// copyKeys copies all keys out of both databases.
func (l *lab) copyKeys(ctx context.Context, recovery, production string, tables []lost, want int) (s sample, err error) {
	var (
		mu   sync.Mutex // guards what follows
		keys int
		errs []error
	)
	copyOut := func(database, table string) {
		n := int64(0)
		err := connected(ctx, l.server.URL(database), func(conn *pgx.Conn) error {
			tag, err := conn.PgConn().CopyTo(ctx, io.Discard, "COPY (SELECT id FROM "+table+") TO STDOUT")
			n = tag.RowsAffected()
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		keys, errs = keys+int(n), append(errs, err)
	}
	var workers sync.WaitGroup
	begun := time.Now()
	for _, c := range tables {
		for _, database := range []string{recovery, production} {
			workers.Go(func() { copyOut(database, c.table) })
		}
	}
	workers.Wait()
	s = sample{keys, time.Since(begun), nil}
	if err = errors.Join(errs...); err == nil && keys != want {
		err = fmt.Errorf("%d keys were copied, there are %d", keys, want)
	}
	return s, err
}
