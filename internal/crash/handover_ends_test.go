package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// succeeded is a proxy that has handed over, with a session of its old process
// that has removed 3 rows in a transaction.
func succeeded(t *testing.T, config string) (p *served, old *pgx.Conn, direct, url, dir string) {
	t.Helper()
	database := pgtest.Database(t, tables)
	addr, file := freeAddr(t), filepath.Join(t.TempDir(), "rowback.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	direct, url, dir = pgtest.Shared(t).URL(database), through(addr, database), filepath.Join(t.TempDir(), "journal")
	p = serve(t, addr, pgtest.Shared(t).Addr(), dir, "--config", file)
	old = connect(t, url)
	t.Cleanup(func() { old.Close(context.Background()) })
	for _, sql := range []string{"BEGIN", "DELETE FROM parents WHERE id = 1"} {
		if _, err := old.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	p.handOver(t, handedOver)
	return p, old, direct, url, dir
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// After the limit old sessions end when they are idle, not in a transaction.
func TestHandover_Limit(t *testing.T) {
	p, old, direct, url, dir := succeeded(t, "handover-limit: 1ms\n")
	p.awaitLines(t, "draining", 1)
	if _, err := old.Exec(context.Background(), "COMMIT"); err != nil {
		t.Error(err)
	}
	if _, err := old.Exec(context.Background(), "SELECT 1"); sqlState(err) != "57P01" {
		t.Errorf("the old session gets %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the old process ended with %v", err)
	}
	query[int](t, url, "SELECT 1")
	p.stop(t)
	wantEntries(t, direct, dir, 3, journal.Committed)
}

// Whoever stops the newest process stops the old ones: idle sessions end, transactions do not.
func TestHandover_StopEndsAllProcesses(t *testing.T) {
	p, old, direct, url, dir := succeeded(t, "")
	p.handOver(t, handedOver)
	idle := connect(t, url)
	defer idle.Close(context.Background())
	if err := syscall.Kill(p.newest(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Exec(context.Background(), "COMMIT"); err != nil {
		t.Error(err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	for name, c := range map[string]*pgx.Conn{"old": old, "new": idle} {
		if _, err := c.Exec(context.Background(), "SELECT 1"); sqlState(err) != "57P01" {
			t.Errorf("the %s session gets %v", name, err)
		}
	}
	wantEntries(t, direct, dir, 3, journal.Committed)
}

// When the newest process is killed the old one ends in order, and leaves the
// journal to a fresh one.
func TestHandover_SuccessorKilled(t *testing.T) {
	p, old, direct, url, dir := succeeded(t, "")
	if err := syscall.Kill(p.newest(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.awaitLines(t, "draining", 1)
	if _, err := old.Exec(context.Background(), "COMMIT"); err != nil {
		t.Error(err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("the old process ended with %v", err)
	}
	serve(t, old.PgConn().Conn().RemoteAddr().String(), pgtest.Shared(t).Addr(), dir)
	query[int](t, url, "SELECT 1")
	wantEntries(t, direct, dir, 3, journal.Committed)
}

// Old processes are killed under load: what they leave in doubt the newest settles.
func TestHandover_ElderKilled(t *testing.T) {
	database := pgtest.Database(t, tables)
	addr, dir := freeAddr(t), filepath.Join(t.TempDir(), "journal")
	direct, url := pgtest.Shared(t).URL(database), through(addr, database)
	p := serve(t, addr, pgtest.Shared(t).Addr(), dir)
	load := startClients(t, 6, url)
	const kills = 8
	for range kills {
		old := p.newest()
		awaitDeletions(t, direct, 5)
		p.handOver(t, handedOver)
		awaitDeletions(t, direct, 3)
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	awaitDeletions(t, direct, 5)
	load.stop()
	p.awaitLines(t, "the last session of the processes before", kills)
	rows := compare(t, direct, url, dir)
	t.Logf("%d old processes were killed; %d rows deleted, every one in one committed entry", kills, rows)
}

// A new process that cannot start changes nothing.
func TestHandover_FailsWithoutHarm(t *testing.T) {
	database := pgtest.Database(t, tables)
	addr, file := freeAddr(t), filepath.Join(t.TempDir(), "rowback.yaml")
	write := func(config string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	url := through(addr, database)
	p := serve(t, addr, pgtest.Shared(t).Addr(), filepath.Join(t.TempDir(), "journal"), "--config", file)
	stop := patient(t, 2, true, url)
	write("thresold: 1\n")
	p.handOver(t, "this one goes on")
	write("tls-cert: " + file + "\ntls-key: " + file + "\n")
	p.handOver(t, "this one goes on")
	query[int](t, url, "SELECT 1")
	write("threshold: 900\n")
	p.handOver(t, handedOver)
	query[int](t, url, "SELECT 1")
	stop()
	p.stop(t)
}

// A cancel request comes to the newest process, and reaches sessions of all before it.
func TestHandover_CancelReachesOldSessions(t *testing.T) {
	p, old, _, _, _ := succeeded(t, "")
	if err := rollback(old); err != nil {
		t.Fatal(err)
	}
	p.handOver(t, handedOver)
	asleep := make(chan error)
	go func() {
		_, err := old.Exec(context.Background(), "SELECT pg_sleep(600)")
		asleep <- err
	}()
	for {
		if err := old.PgConn().CancelRequest(context.Background()); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-asleep:
			if sqlState(err) != "57014" {
				t.Error(err)
			}
			p.stop(t)
			return
		default:
			pause(context.Background())
		}
	}
}

func rollback(c *pgx.Conn) error {
	_, err := c.Exec(context.Background(), "ROLLBACK")
	return err
}

// A window counts what sessions of both processes remove.
func TestHandover_Window(t *testing.T) {
	p, old, _, url, _ := succeeded(t, "rules:\n  - name: slowly\n    tables: [children]\n    windows: [{rows: 10, per: 1h}]\n")
	if err := rollback(old); err != nil {
		t.Fatal(err)
	}
	fresh := connect(t, url)
	defer fresh.Close(context.Background())
	try := func(c *pgx.Conn, sql string) string {
		t.Helper()
		_, err := c.Exec(context.Background(), sql)
		if err != nil && sqlState(err) == "" {
			t.Fatal(err)
		}
		return sqlState(err)
	}
	// That both know of the other one's within a while.
	full := func(c *pgx.Conn, id int) bool {
		try(c, "BEGIN")
		defer try(c, "ROLLBACK")
		return try(c, fmt.Sprintf("DELETE FROM children WHERE id = %d", id)) == "RB001"
	}
	await := func(c *pgx.Conn, id int) {
		t.Helper()
		for deadline := time.Now().Add(pollTime); !full(c, id); pause(context.Background()) {
			if time.Now().After(deadline) {
				t.Fatal("it does not count what the other process removes")
			}
		}
	}
	if s := try(old, "DELETE FROM children WHERE id BETWEEN 101 AND 106"); s != "" {
		t.Error(s)
	}
	if s := try(fresh, "DELETE FROM children WHERE id BETWEEN 201 AND 204"); s != "" {
		t.Error(s)
	}
	await(old, 107)
	await(fresh, 207)
	old.Close(context.Background())
	p.awaitLines(t, "the last session of the processes before", 1)
	if !full(fresh, 207) {
		t.Error("what the old process removed is forgotten")
	}
	p.stop(t)
}
