package e2e

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A restore in batches that is killed midway has committed whole batches, and
// run again it does the rest.
func TestRestore_KilledBetweenBatchesGoesOn(t *testing.T) {
	s := newShop(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p ON DELETE CASCADE);
		INSERT INTO p SELECT generate_series(1, 500); INSERT INTO c SELECT i, 1 + i % 500 FROM generate_series(1, 20000) i`, "CREATE INDEX ON c (p)", "ANALYZE")
	was := s.content()
	id := s.run("DELETE FROM p")

	// It comes to a halt at a row that another session is about to insert: the last
	// child of the last parent.
	ctx := context.Background()
	other, err := pgx.Connect(ctx, s.direct)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(ctx)
	if _, err := other.Exec(ctx, "BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO c VALUES (19999, 500)"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, program(t), "restore", id, "--yes", "--batch", "1000", "--lock-timeout", "10m",
		"--production", s.direct, "--recovery", s.backup, "--journal", s.journal)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	look, err := pgx.Connect(ctx, s.direct)
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close(ctx)
	until(t, look, "SELECT EXISTS (SELECT FROM c) AND EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if _, err := other.Exec(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	until(t, look, "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database()")
	var parents, back int64
	if err := look.QueryRow(ctx, "SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM c)").Scan(&parents, &back); err != nil {
		t.Fatal(err)
	}
	if parents != 500 || back == 0 || back >= 20000 {
		t.Errorf("killed with %d parents and %d children back", parents, back)
	}
	if r := s.restore(0, id, "--batch", "1000"); r.Restored != 20000-back {
		t.Errorf("%d restored, %d were back", r.Restored, back)
	}
	s.is(was)
}

// until waits for a query to be true.
func until(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for done := false; !done; {
		if err := conn.QueryRow(ctx, sql).Scan(&done); err != nil {
			t.Fatalf("waiting for %s: %v", sql, err)
		}
	}
}
