package crash

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
)

// Sessions go to a primary and its standby at random, and the proxy is killed: what a
// standby refuses it refuses as it would without a proxy, and nothing of that is in
// the journal; what is in doubt the primary settles.
func TestRandomHosts(t *testing.T) {
	primary, standby := synchronousPair(t)
	pgtest.Exec(t, primary.URL("postgres"), tables)
	addr, dir, direct := freeAddr(t), filepath.Join(t.TempDir(), "journal"), primary.URL("postgres")
	upstream := fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&load_balance_hosts=random", standby.Addr(), primary.Addr())
	url := through(addr, "postgres")
	p := serve(t, addr, upstream, dir)
	var done, refused int
	for deadline := time.Now().Add(pollTime); done == 0 || refused == 0; {
		c := connect(t, url)
		_, err := c.Exec(t.Context(), fmt.Sprintf("DELETE FROM parents WHERE id = %d", 1+done))
		var pe *pgconn.PgError
		switch {
		case err == nil:
			done++
		case errors.As(err, &pe) && pe.Code == "25006":
			refused++
		default:
			t.Fatal(err)
		}
		_ = c.Close(t.Context())
		if time.Now().After(deadline) {
			t.Fatalf("%d deletions went through, %d were refused", done, refused)
		}
	}
	load := startClients(t, 4, url)
	for range 4 {
		awaitDeletions(t, direct, 10)
		p.kill(t)
		p = serve(t, addr, upstream, dir)
	}
	awaitDeletions(t, direct, 5)
	load.stop()
	rows := compare(t, direct, url, dir)
	p.stop(t)
	t.Logf("%d rows deleted, every one in one committed entry", rows)
}
