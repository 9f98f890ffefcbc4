package crash

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// normal is how long a run lasts unless SOAK says otherwise.
const normal = 15 * time.Second

// Some of the restarts leave settling to the sessions, some do it over the
// control connection.
func TestKill_Proxy(t *testing.T) {
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	dir, addr := filepath.Join(t.TempDir(), "journal"), freeAddr(t)
	url := through(addr, database)
	load := startClients(t, 6, url)
	kills := 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); kills++ {
		upstream := c.Addr()
		if rand.IntN(2) == 0 {
			upstream = c.URL("postgres")
		}
		p := serve(t, addr, upstream, dir)
		awaitDeletions(t, c.URL(database), 1+rand.IntN(12))
		p.kill(t)
	}
	load.stop()
	serve(t, addr, c.Addr(), dir)
	rows := compare(t, c.URL(database), url, dir)
	t.Logf("the proxy was killed %d times; %d rows deleted, every one in one committed entry", kills, rows)
}

// The proxy stays up while the server crashes: by its postmaster, or by a backend.
func TestKill_Server(t *testing.T) {
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	dir, addr := filepath.Join(t.TempDir(), "journal"), freeAddr(t)
	url := through(addr, database)
	serve(t, addr, c.Addr(), dir)
	load := startClients(t, 6, url)
	kills := 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); kills++ {
		awaitDeletions(t, c.URL(database), 1+rand.IntN(12))
		if rand.IntN(2) == 0 {
			crash(t, c)
		} else {
			crashBackend(t, c.URL(database))
		}
	}
	load.stop()
	rows := compare(t, c.URL(database), url, dir)
	t.Logf("the server was killed %d times; %d rows deleted, every one in one committed entry", kills, rows)
}

func crash(t *testing.T, c *pgtest.Cluster) {
	t.Helper()
	if err := c.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// crashBackend kills one backend of the database; the postmaster then ends all
// others, recovers, and stays.
func crashBackend(t *testing.T, url string) {
	t.Helper()
	ctx := context.Background()
	conn := connect(t, url)
	defer conn.Close(ctx)
	witness := connect(t, url)
	defer witness.Close(ctx)
	if err := syscall.Kill(int(conn.PgConn().PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(pollTime); ; pause(ctx) { // until the postmaster has ended the others
		if _, err := witness.Exec(ctx, "SELECT 1"); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server goes on as if nothing had happened")
		}
	}
	connect(t, url).Close(ctx)
}
