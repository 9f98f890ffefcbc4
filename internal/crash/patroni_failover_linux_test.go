package crash

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// setAside are parents that the clients do not come across, and their children.
const setAside = `
SET session_replication_role = replica;
UPDATE parents SET id = id + 100000 WHERE id <= 1000;
UPDATE children SET id = id + 100000, parent_id = parent_id + 100000 WHERE parent_id <= 1000;
RESET session_replication_role`

// prepareAcross prepares two deletions at url and returns their names.
func prepareAcross(t *testing.T, url string, round int) (gids []string) {
	t.Helper()
	ctx := context.Background()
	for i := range 2 {
		c, gid := connect(t, url), fmt.Sprintf("across %d %d", round, i)
		for _, sql := range []string{"BEGIN", fmt.Sprintf("DELETE FROM parents WHERE id = %d", 100001+2*round+i), "PREPARE TRANSACTION '" + gid + "'"} {
			if _, err := c.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		gids = append(gids, gid)
		_ = c.Close(ctx)
	}
	return gids
}

// Patroni fails over, as its leader is killed, or hangs, and switches over, under load:
// clients that connect again go on, and the journal has every row that the last primary has lost, once.
// What was prepared before is settled as it is ended after, on the new primary.
func TestPatroni(t *testing.T) {
	program(t) // made before the clock runs
	p := startPatroni(t)
	direct := p.upstream()
	pgtest.Exec(t, direct, tables, setAside)
	addr, dir := freeAddr(t), filepath.Join(t.TempDir(), "journal")
	proxy := serve(t, addr, p.upstream(), dir)
	url := fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&connect_timeout=30", addr)
	load := startClients(t, 6, url)
	want := map[string]journal.Outcome{}
	begun, rounds := time.Now(), 0
	for end := begun.Add(howLong(t, normal)); rounds < 3 || time.Now().Before(end); rounds++ {
		leader, other := p.awaitPair(t)
		awaitDeletions(t, direct, 100)
		gids := prepareAcross(t, url, rounds)
		switch rounds % 3 {
		case 0:
			p.kill(t, leader)
			p.await(t, "the failover", func() bool { return p.is(other, "primary") })
			p.start(t, leader)
		case 1:
			p.switchOver(t, leader, other)
		case 2:
			p.freeze(t, leader)
			p.await(t, "the failover", func() bool { return p.is(other, "primary") })
			awaitDeletions(t, other.url(), 10) // by clients that waited for the old one
			p.kill(t, leader)
			p.start(t, leader)
		}
		// One is ended through the proxy, one past it.
		for i, how := range []string{"COMMIT", "ROLLBACK"} {
			i = (i + rounds) % 2
			c := connect(t, []string{url, direct}[i])
			if _, err := c.Exec(t.Context(), how+" PREPARED '"+gids[i]+"'"); err != nil {
				t.Fatal(err)
			}
			_ = c.Close(t.Context())
			want[gids[i]] = map[string]journal.Outcome{"COMMIT": journal.Committed, "ROLLBACK": journal.RolledBack}[how]
		}
		awaitDeletions(t, direct, 50)
	}
	load.stop()
	rows := compare(t, direct, url, dir)
	proxy.stop(t)
	prepared(t, dir, want)
	t.Logf("%d rounds of failovers and switchovers in %v; %d rows deleted, every one in one committed entry; %d transactions prepared before are settled",
		rounds, time.Since(begun).Round(time.Second), rows, len(want))
}

// prepared checks what became of the entries of prepared transactions.
func prepared(t *testing.T, dir string, want map[string]journal.Outcome) {
	t.Helper()
	j, err := journals.Open(context.Background(), dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	found := 0
	for _, e := range entries(t, j, journal.Filter{}) {
		if e.Prepared == "" {
			continue
		}
		if found++; e.Outcome != want[e.Prepared] {
			t.Errorf("%s is %s, want %s", e.Prepared, e.Outcome, want[e.Prepared])
		}
	}
	if found != len(want) {
		t.Errorf("%d entries of %d prepared transactions", found, len(want))
	}
}
