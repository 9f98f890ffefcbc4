package crash

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"

	"github.com/rowback/rowback/internal/pgtest"
)

// A limit on the size of files plays the full disk: every write of the journal fails.
func TestJournal_CannotBeWritten(t *testing.T) {
	ctx := context.Background()
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	direct, dir, addr := c.URL(database), filepath.Join(t.TempDir(), "journal"), freeAddr(t)
	p := serve(t, addr, c.Addr(), dir)
	conn := connect(t, through(addr, database))
	defer conn.Close(ctx)
	limit := func(bytes uint64) {
		if err := unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}
	exec := func(sql, state string) {
		t.Helper()
		_, err := conn.Exec(ctx, sql)
		var pe *pgconn.PgError
		switch {
		case state == "" && err != nil:
			t.Fatalf("%s: %v", sql, err)
		case state != "" && (!errors.As(err, &pe) || pe.Code != state):
			t.Fatalf("%s: %v, want %s", sql, err, state)
		}
	}
	exec("DELETE FROM parents WHERE id = 1", "")
	exec("BEGIN", "")
	exec("DELETE FROM parents WHERE id = 2", "")
	limit(1)
	exec("COMMIT", "RB002")
	exec("DELETE FROM parents WHERE id = 2", "RB002")
	exec("UPDATE parents SET a = 'y' WHERE id = 2", "")
	exec("BEGIN", "")
	exec("DELETE FROM parents WHERE id = 2", "RB002")
	exec("COMMIT", "")
	if gone := len(query[int](t, direct, "SELECT 1 FROM deleted_log")); gone != 3 {
		t.Errorf("%d rows are gone, want the 3 with evidence", gone)
	}
	limit(unix.RLIM_INFINITY)
	exec("DELETE FROM parents WHERE id = 2", "")
	if rows := compare(t, direct, through(addr, database), dir); rows != 6 {
		t.Errorf("%d rows, want 6", rows)
	}
}
