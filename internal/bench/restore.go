package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/incident"
	"github.com/rowback/rowback/journal"
)

// bringBack restores the rows with `rowback restore`, or in the peer's way.
func (l *lab) bringBack(ctx context.Context, ours bool, peers func(context.Context) (sample, error)) (s sample, err error) {
	if ours {
		s, _, err = l.restore(ctx, shopOf(true), shop, int(incident.Published.Lost()))
	} else {
		s, err = peers(ctx)
	}
	if err != nil {
		return s, err
	}
	return s, l.whole(ctx, shopOf(ours))
}

// restore is `rowback restore` of the last deletion, from its start to its end, with
// all its checks, and its greatest memory, MiB.
func (l *lab) restore(ctx context.Context, production, recovery string, rows int) (s sample, peak float64, err error) {
	id, err := l.lastEntry(ctx)
	if err != nil {
		return s, 0, err
	}
	cmd := l.command(ctx, "restore", id, "--yes", "--output", "json", "--journal", l.alert.journal,
		"--production", l.server.URL(production), "--recovery", l.server.URL(recovery))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	if peak, err = watched(cmd); err != nil {
		return s, 0, fmt.Errorf("rowback restore: %w\n%s", err, &said)
	}
	return sample{rows, time.Since(begun), nil}, peak, nil
}

// lastEntry is the newest deletion in the alerting proxy's journal.
func (l *lab) lastEntry(ctx context.Context) (id string, err error) {
	j, err := journal.Open(ctx, l.alert.journal, journal.Options{MustExist: true})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for e, err := range j.Entries(ctx, journal.Filter{Outcome: journal.Committed, Kind: journal.Deletion}) {
		if err != nil {
			return "", err
		}
		return e.ID, nil
	}
	return "", errors.New("the journal is empty")
}

// rawCopy is the least that bringing the rows back can cost for one who knows
// their keys already and checks nothing: COPY into COPY, triggers off, one transaction.
func (l *lab) rawCopy(ctx context.Context, recovery, production string, rows []lost) (s sample, err error) {
	err = connected(ctx, l.server.URL(recovery), func(from *pgx.Conn) error {
		if err := know(ctx, from, rows); err != nil {
			return err
		}
		return connected(ctx, l.server.URL(production), func(to *pgx.Conn) error {
			begun := time.Now()
			if _, err := to.Exec(ctx, "BEGIN; SET LOCAL session_replication_role = replica"); err != nil {
				return err
			}
			for _, c := range rows {
				n, err := pipe(ctx, from, to, c.table)
				if err != nil {
					return err
				}
				s.done += n
			}
			_, err := to.Exec(ctx, "COMMIT")
			s.took = time.Since(begun)
			return err
		})
	})
	return s, err
}

// shopCopy is that of the incident's rows.
func (l *lab) shopCopy(ctx context.Context) (sample, error) {
	return l.rawCopy(ctx, shop, shopOf(false), cascade)
}

// know makes tables of the keys, lost_….
func know(ctx context.Context, from *pgx.Conn, rows []lost) error {
	for _, c := range rows {
		known := fmt.Sprintf("CREATE TEMP TABLE lost_%s AS SELECT id FROM %s WHERE %s", c.table, c.table, c.condition)
		if _, err := from.Exec(ctx, known); err != nil {
			return err
		}
	}
	return nil
}

func pipe(ctx context.Context, from, to *pgx.Conn, table string) (rows int, err error) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := from.PgConn().CopyTo(ctx, w, fmt.Sprintf("COPY (SELECT * FROM %s JOIN lost_%s USING (id)) TO STDOUT (FORMAT binary)", table, table))
		done <- errors.Join(err, w.CloseWithError(err))
	}()
	tag, err := to.PgConn().CopyFrom(ctx, r, "COPY "+table+" FROM STDIN (FORMAT binary)")
	return int(tag.RowsAffected()), errors.Join(err, r.Close(), <-done)
}
