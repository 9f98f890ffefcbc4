package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
)

// A pooler stands before the proxy (its server connections are sessions of the
// proxy's) or behind it (then, in transaction mode, what a session of the proxy
// sends is spread over the pooler's server connections).
func TestPoolers(t *testing.T) {
	for _, mode := range []string{"session", "transaction"} {
		t.Run("before, "+mode, func(t *testing.T) {
			database := tables(t)
			pooled(t, startBouncer(t, mode, proxyAddr(t)), database, mode)
			evident(t, database)
		})
		t.Run("behind, "+mode, func(t *testing.T) {
			database := tables(t)
			bouncer := startBouncer(t, mode, pgtest.Shared(t).Addr())
			journal := filepath.Join(t.TempDir(), "journal")
			p, addr, err := startProxy(exec.CommandContext(context.Background(), program(t), "proxy", "--listen", "127.0.0.1:0", "--upstream", bouncer,
				"--journal", journal, "--mode", "block", "--admin", "off"))
			if err != nil {
				t.Fatal(err)
			}
			pooled(t, addr, database, mode)
			if err := p.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
			evidentIn(t, journal, database)
		})
	}
}

// pooled has several clients at once delete within the threshold and over it,
// in each way that the pooler's mode allows.
func pooled(t *testing.T, addr, database, mode string) {
	t.Helper()
	ctx := t.Context()
	url := fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, database)
	var clients []*pgx.Conn
	for _, m := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeCacheStatement} {
		if m == pgx.QueryExecModeCacheStatement && mode == "transaction" {
			continue // named statements need a pooler that follows them
		}
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = m
		c, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		clients = append(clients, c)
	}
	expect := func(c *pgx.Conn, want, sql string, args ...any) {
		t.Helper()
		tag, err := c.Exec(ctx, sql, args...)
		got := tag.String()
		if err != nil {
			got = err.Error()
			if e, ok := err.(*pgconn.PgError); ok {
				got = e.Code
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	id := 0
	next := func() int { id++; return id }
	for range 5 { // in turn, so that the pooler changes connections
		for _, c := range clients {
			expect(c, "DELETE 1", "DELETE FROM parent WHERE id = $1", next())
			expect(c, "DELETE 1", "DELETE FROM parent WHERE id = $1 RETURNING id, v", next())
			expect(c, "23503", "DELETE FROM parent WHERE id = $1", 1400)
			expect(c, "RB001", "DELETE FROM parent WHERE id BETWEEN $1 AND $1 + 600", 700)
		}
		for _, c := range clients[:2] { // blocks at once: as many as the pooler has connections
			expect(c, "BEGIN", "BEGIN")
			expect(c, "DELETE 1", "DELETE FROM parent WHERE id = $1", next())
			expect(c, "SAVEPOINT", "SAVEPOINT s")
		}
		for _, c := range clients[:2] {
			expect(c, "DELETE 1", "DELETE FROM parent WHERE id = $1", id+100)
			expect(c, "ROLLBACK", "ROLLBACK TO s")
			expect(c, "DELETE 2", "DELETE FROM parent WHERE id BETWEEN $1 AND $1 + 1 RETURNING id", next())
			next()
			expect(c, "COMMIT", "COMMIT")
		}
		c := clients[0]
		expect(c, "BEGIN", "BEGIN")
		expect(c, "DELETE 1", "DELETE FROM parent WHERE id = $1", id+100)
		expect(c, "RB001", "DELETE FROM parent WHERE id >= $1 AND id < 1400", 700)
		expect(c, "25P02", "SELECT 1")
		expect(c, "ROLLBACK", "ROLLBACK")
		batch := &pgx.Batch{}
		for range 4 {
			batch.Queue("DELETE FROM parent WHERE id = $1", next())
		}
		if err := clients[2].SendBatch(ctx, batch).Close(); err != nil {
			t.Errorf("a batch: %v", err)
		}
		// Another client's change of the catalog between two of its transactions.
		expect(clients[1], "CREATE TABLE", "CREATE TABLE IF NOT EXISTS more (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE)")
		expect(clients[1], "INSERT 0 400", "INSERT INTO more SELECT n, 701 FROM generate_series(1, 400) n")
		expect(clients[2], "RB001", "DELETE FROM parent WHERE id BETWEEN $1 AND $1 + 310", 701) // 311, 311 children and 400 more
		expect(clients[0], "DROP TABLE", "DROP TABLE more")
	}
}

// A cancel request finds its query through a pooler and the proxy.
func TestPoolers_Cancel(t *testing.T) {
	database := tables(t)
	addr := startBouncer(t, "transaction", proxyAddr(t))
	url := fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, database)
	c, err := pgx.Connect(t.Context(), url+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	canceled := make(chan error, 1)
	go func() {
		watch, err := pgx.Connect(t.Context(), pgtest.Shared(t).URL(database))
		for n := 0; err == nil && n == 0; {
			err = watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").Scan(&n)
		}
		if err == nil {
			err = watch.Close(t.Context())
		}
		if err == nil {
			err = c.PgConn().CancelRequest(t.Context())
		}
		canceled <- err
	}()
	_, err = c.Exec(t.Context(), "DELETE FROM parent WHERE id = 1 AND pg_sleep(600) IS NOT NULL")
	if e, ok := err.(*pgconn.PgError); !ok || e.Code != "57014" {
		t.Errorf("canceled: %v", err)
	}
	if err := <-canceled; err != nil {
		t.Error(err)
	}
	if tag, err := c.Exec(t.Context(), "DELETE FROM parent WHERE id = 1"); err != nil || !strings.HasPrefix(tag.String(), "DELETE 1") {
		t.Errorf("afterwards: %s, %v", tag, err)
	}
}
