package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/incident"
)

// shop is the incident's database before it, and so the recovery database.
const shop = "shop"

// lost are rows that are removed of a table.
type lost struct{ table, condition string }

// cascade is what the incident removes of each table, parents first.
var cascade = []lost{
	{"orders", "is_test"},
	{"payments", "order_id IN (SELECT id FROM lost_orders)"},
	{"refunds", "payment_id IN (SELECT id FROM lost_payments)"},
	{"audit_logs", "order_id IN (SELECT id FROM lost_orders)"},
}

// incidents are the incident's DELETE with its cascades, and the restore of the
// same rows: in each round on fresh copies of the shop, one for each side.
func incidents(l *lab) []work {
	rows := incident.Published.Lost()
	whole := &bench{name: fmt.Sprintf("DELETE of %d rows, whole rows kept", rows), peer: "direct", goal: atMost(2), before: l.freshShops}
	whole.setup = func(ctx context.Context) error {
		p, err := l.keepsRows(ctx)
		if err != nil {
			return err
		}
		whole.measure = func(ctx context.Context, ours bool) (sample, error) { return l.massDelete(ctx, ours, p) }
		return l.shop(ctx)
	}
	removed := func(ctx context.Context, round int) error {
		err := l.freshShops(ctx, round)
		for _, ours := range []bool{false, true} {
			if err == nil {
				_, err = l.massDelete(ctx, ours, l.alert)
			}
		}
		return err
	}
	return []work{
		&bench{
			name: fmt.Sprintf("DELETE of %d rows with cascades", rows), peer: "direct", goal: atMost(1.3), setup: l.shop, before: l.freshShops,
			measure: func(ctx context.Context, ours bool) (sample, error) { return l.massDelete(ctx, ours, l.alert) },
		},
		whole,
		&bench{
			name: fmt.Sprintf("restore of %d rows", rows), peer: "raw COPY", goal: atMost(1.25), setup: l.shop, before: removed,
			measure: func(ctx context.Context, ours bool) (sample, error) { return l.bringBack(ctx, ours, l.shopCopy) },
		},
		&bench{
			name: fmt.Sprintf("restore of %d rows", rows), peer: "Django, row by row", goal: atLeast(30), rounds: 1, setup: l.shop, before: removed,
			measure: func(ctx context.Context, ours bool) (sample, error) { return l.bringBack(ctx, ours, l.rowByRow) },
		},
	}
}

// keepsRows is a proxy like alert whose journal keeps whole rows.
func (l *lab) keepsRows(ctx context.Context) (*proxyProcess, error) {
	file := filepath.Join(l.dir, "rows.yaml")
	if err := os.WriteFile(file, []byte("defaults: {capture: rows}\n"), 0o600); err != nil {
		return nil, err
	}
	return l.startProxy(ctx, "alert", "--config", file)
}

// freshShops makes the copies of the shop anew.
func (l *lab) freshShops(ctx context.Context, _ int) error {
	for _, ours := range []bool{false, true} {
		err := l.execute(ctx, "postgres", "DROP DATABASE IF EXISTS "+shopOf(ours),
			"CREATE DATABASE "+shopOf(ours)+" TEMPLATE "+shop+" STRATEGY file_copy")
		if err != nil {
			return err
		}
	}
	return nil
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
func (l *lab) massDelete(ctx context.Context, ours bool, proxy *proxyProcess) (s sample, err error) {
	var through way = l.server
	if ours {
		through = proxy
	}
	err = connected(ctx, through.URL(shopOf(ours)), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT count(*) FROM orders"); err != nil {
			return err
		}
		begun := time.Now()
		_, err := conn.Exec(ctx, incident.MassDelete)
		s = sample{int(incident.Published.Lost()), time.Since(begun), nil}
		return err
	})
	return s, err
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
