package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/incident"
	"github.com/rowback/rowback/journal"
)

// shop is the incident's database before it, and so the recovery database.
const shop = "shop"

// cascade is what the incident removes of each table, parents first.
var cascade = []struct{ table, condition string }{
	{"orders", "is_test"},
	{"payments", "order_id IN (SELECT id FROM lost_orders)"},
	{"refunds", "payment_id IN (SELECT id FROM lost_payments)"},
	{"audit_logs", "order_id IN (SELECT id FROM lost_orders)"},
}

// incidents are the incident's DELETE with its cascades, and the restore of the
// same rows: in each round on fresh copies of the shop, one for each side.
func incidents(l *lab) []*bench {
	fresh := func(ctx context.Context, _ int) error {
		for _, ours := range []bool{false, true} {
			err := l.execute(ctx, "postgres", "DROP DATABASE IF EXISTS "+shopOf(ours),
				"CREATE DATABASE "+shopOf(ours)+" TEMPLATE "+shop+" STRATEGY file_copy")
			if err != nil {
				return err
			}
		}
		return nil
	}
	rows := incident.Published.Lost()
	return []*bench{
		{name: fmt.Sprintf("DELETE of %d rows with cascades", rows), peer: "direct", setup: l.shop, before: fresh, measure: l.massDelete},
		{
			name: fmt.Sprintf("restore of %d rows", rows), peer: "raw COPY", setup: l.shop, measure: l.bringBack,
			before: func(ctx context.Context, round int) error {
				if err := fresh(ctx, round); err != nil {
					return err
				}
				_, err := l.massDelete(ctx, false)
				if err == nil {
					_, err = l.massDelete(ctx, true)
				}
				return err
			},
		},
	}
}

// shop makes the incident's database, once.
func (l *lab) shop(ctx context.Context) error {
	return l.once(shop, func() error {
		if err := l.execute(ctx, "postgres", "CREATE DATABASE "+shop); err != nil {
			return err
		}
		return connected(ctx, l.server.URL(shop), func(conn *pgx.Conn) error { return incident.Load(ctx, conn, incident.Published) })
	})
}

func shopOf(ours bool) string {
	if ours {
		return shop + "_rowback"
	}
	return shop + "_direct"
}

// massDelete causes the incident. The first statement, untimed, has the proxy
// look at the new database.
func (l *lab) massDelete(ctx context.Context, ours bool) (s sample, err error) {
	var through way = l.server
	if ours {
		through = l.alert
	}
	err = connected(ctx, through.URL(shopOf(ours)), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT count(*) FROM orders"); err != nil {
			return err
		}
		begun := time.Now()
		_, err := conn.Exec(ctx, incident.MassDelete)
		s = sample{int(incident.Published.Lost()), time.Since(begun)}
		return err
	})
	return s, err
}

func (l *lab) bringBack(ctx context.Context, ours bool) (s sample, err error) {
	if ours {
		s, err = l.restore(ctx)
	} else {
		s, err = l.rawCopy(ctx)
	}
	if err != nil {
		return s, err
	}
	return s, l.whole(ctx, shopOf(ours))
}

// restore is `rowback restore`, from its start to its end, with all its checks.
func (l *lab) restore(ctx context.Context) (s sample, err error) {
	id, err := l.lastEntry(ctx)
	if err != nil {
		return s, err
	}
	cmd := l.command(ctx, "restore", id, "--yes", "--output", "json", "--journal", l.alert.journal,
		"--production", l.server.URL(shopOf(true)), "--recovery", l.server.URL(shop))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return s, fmt.Errorf("rowback restore: %w\n%s", err, &said)
	}
	return sample{int(incident.Published.Lost()), time.Since(begun)}, nil
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
func (l *lab) rawCopy(ctx context.Context) (s sample, err error) {
	err = connected(ctx, l.server.URL(shop), func(from *pgx.Conn) error {
		for _, c := range cascade {
			known := fmt.Sprintf("CREATE TEMP TABLE lost_%s AS SELECT id FROM %s WHERE %s", c.table, c.table, c.condition)
			if _, err := from.Exec(ctx, known); err != nil {
				return err
			}
		}
		return connected(ctx, l.server.URL(shopOf(false)), func(to *pgx.Conn) error {
			begun := time.Now()
			if _, err := to.Exec(ctx, "BEGIN; SET LOCAL session_replication_role = replica"); err != nil {
				return err
			}
			for _, c := range cascade {
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

func pipe(ctx context.Context, from, to *pgx.Conn, table string) (rows int, err error) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := from.PgConn().CopyTo(ctx, w, fmt.Sprintf("COPY (SELECT * FROM %s JOIN lost_%s USING (id)) TO STDOUT", table, table))
		done <- errors.Join(err, w.CloseWithError(err))
	}()
	tag, err := to.PgConn().CopyFrom(ctx, r, "COPY "+table+" FROM STDIN")
	return int(tag.RowsAffected()), errors.Join(err, r.Close(), <-done)
}

// whole makes sure that the shop has its rows again.
func (l *lab) whole(ctx context.Context, database string) error {
	var counts []string
	for _, t := range incident.Tables {
		counts = append(counts, "SELECT count(*) FROM "+t)
	}
	return connected(ctx, l.server.URL(database), func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, strings.Join(counts, " UNION ALL "))
		have, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		for i, t := range incident.Tables {
			if want := incident.Published.Share(t).Rows; have[i] != want {
				return fmt.Errorf("%s has %d rows, not %d", t, have[i], want)
			}
		}
		return nil
	})
}
