package main

import (
	"bytes"
	"context"
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
			if ours {
				return l.diff(ctx)
			}
			return l.copyKeys(ctx)
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

func (l *lab) diff(ctx context.Context) (s sample, err error) {
	args := []string{"diff", "--output", "json", "--journal", l.alert.journal, "--production", l.server.URL(shopOf(true)), "--recovery", l.server.URL(shop)}
	for _, c := range cascade {
		args = append(args, c.table)
	}
	cmd := l.command(ctx, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	err = cmd.Run()
	s = sample{compared(), time.Since(begun), nil}
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && ended.ExitCode() == 3 { // rows are lost: so they are
		err = nil
	}
	if err != nil {
		return s, fmt.Errorf("rowback diff: %w\n%s", err, &said)
	}
	return s, nil
}

func (l *lab) copyKeys(ctx context.Context) (s sample, err error) {
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
	for _, c := range cascade {
		for _, database := range []string{shop, shopOf(true)} {
			workers.Go(func() { copyOut(database, c.table) })
		}
	}
	workers.Wait()
	s = sample{keys, time.Since(begun), nil}
	if err = errors.Join(errs...); err == nil && keys != compared() {
		err = fmt.Errorf("%d keys were copied, there are %d", keys, compared())
	}
	return s, err
}
