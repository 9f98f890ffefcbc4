package crash

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// With credentials in --upstream a proxy settles what it finds, without a session.
func TestControl_SettlesAtStart(t *testing.T) {
	ctx := context.Background()
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	direct, dir, addr := c.URL(database), filepath.Join(t.TempDir(), "journal"), freeAddr(t)
	p := serve(t, addr, c.Addr(), dir)
	conn := connect(t, through(addr, database))
	for _, sql := range []string{"BEGIN", "DELETE FROM parents WHERE id <= 5", "PREPARE TRANSACTION '" + database + "'"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	p.kill(t)
	_ = conn.Close(ctx)
	pgtest.Exec(t, direct, "COMMIT PREPARED '"+database+"'")
	p = serve(t, addr, c.URL("postgres"), dir)
	j, err := journal.Open(ctx, dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for deadline := time.Now().Add(pollTime); len(entries(t, j, journal.Filter{Outcome: journal.InDoubt})) > 0; pause(ctx) {
		if time.Now().After(deadline) {
			t.Fatalf("it stays in doubt:\n%s", p.text())
		}
	}
	wantEntries(t, direct, dir, 15, journal.Committed)
}
