package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// preparers prepare random deletions at url until stopped, whatever becomes of it,
// and end prepared ones of anybody's at any of ends.
type preparers struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func startPreparers(t *testing.T, n int, url []string, ends []string) *preparers {
	ctx, cancel := context.WithCancel(context.Background())
	p := &preparers{cancel: cancel}
	persist := func(urls []string, do func(c *pgx.Conn) error) {
		for ctx.Err() == nil {
			c, err := pgx.Connect(ctx, urls[rand.IntN(len(urls))]+"&application_name="+loadName)
			if err != nil { // killed: connect again
				pause(ctx)
				continue
			}
			for range 10 {
				if do(c) != nil {
					break
				}
			}
			_ = c.Close(ctx)
		}
	}
	for i := range n {
		round := 0
		p.wg.Go(func() {
			persist(url, func(c *pgx.Conn) error {
				round++
				id := rand.IntN(parents)
				for _, sql := range []string{"BEGIN", fmt.Sprintf("DELETE FROM parents WHERE id BETWEEN %d AND %d", id, id+rand.IntN(4)),
					fmt.Sprintf("PREPARE TRANSACTION 'p%d %d'", i, round)} {
					if _, err := c.Exec(ctx, sql); err != nil {
						return err
					}
				}
				return nil
			})
		})
		p.wg.Go(func() { persist(ends, func(c *pgx.Conn) error { pause(ctx); return endPrepared(ctx, c) }) })
	}
	t.Cleanup(p.stop)
	return p
}

func (p *preparers) stop() {
	p.cancel()
	p.wg.Wait()
}

// endPrepared ends what is prepared, one way or the other.
func endPrepared(ctx context.Context, c *pgx.Conn) error {
	rows, err := c.Query(ctx, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY random()")
	if err != nil {
		return err
	}
	gids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, gid := range gids {
		how := []string{"COMMIT", "COMMIT", "ROLLBACK"}[rand.IntN(3)]
		_, _ = c.Exec(ctx, how+" PREPARED '"+gid+"'") // another one may have been faster
	}
	return nil
}

// Proxy and server are killed, one or both, while transactions are prepared, and
// ended by other sessions, past the proxy too.
func TestTwoPhase_Killed(t *testing.T) {
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	dir, addr := filepath.Join(t.TempDir(), "journal"), freeAddr(t)
	url, direct := through(addr, database), c.URL(database)
	load, other := startPreparers(t, 3, []string{url}, []string{url, direct}), startClients(t, 2, url)
	program(t) // made before the clock runs
	killed, crashed := 0, 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); killed++ {
		upstream := c.Addr()
		if rand.IntN(2) == 0 {
			upstream = c.URL("postgres")
		}
		p := serve(t, addr, upstream, dir)
		awaitDeletions(t, direct, 1+rand.IntN(12))
		if rand.IntN(2) == 0 {
			crash(t, c)
			crashed++
			awaitDeletions(t, direct, rand.IntN(6))
		}
		p.kill(t)
		if rand.IntN(3) == 0 {
			crash(t, c)
			crashed++
		}
	}
	load.stop()
	other.stop()
	last := connect(t, direct)
	defer last.Close(context.Background())
	awaitQuiet(t, direct)
	if err := endPrepared(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	serve(t, addr, c.Addr(), dir)
	rows := compare(t, direct, url, dir)
	t.Logf("the proxy was killed %d times, the server %d times; %d rows deleted, every one in one committed entry", killed, crashed, rows)
}

// A proxy of a fleet prepares, and is gone, the server has crashed: the other one
// settles, whoever ends the transaction, of rows without keys too.
func TestTwoPhase_Fleet(t *testing.T) {
	f := newFleet(t, "", tables, "CREATE TABLE keyless (x int)", "INSERT INTO keyless SELECT generate_series(1, 10)")
	j := f.open(t)
	ctx := context.Background()
	want := map[string]journal.Outcome{}
	ends := []struct{ how, at string }{{"COMMIT", f.url[1]}, {"ROLLBACK", f.url[1]}, {"COMMIT", f.direct}, {"ROLLBACK", f.direct}}
	for i, end := range ends {
		outcome := map[string]journal.Outcome{"COMMIT": journal.Committed, "ROLLBACK": journal.RolledBack}[end.how]
		for k, sql := range []string{fmt.Sprintf("DELETE FROM parents WHERE id = %d", 1+i), fmt.Sprintf("DELETE FROM keyless WHERE x = %d", 1+i)} {
			gid := fmt.Sprintf("f%d %d", i, k)
			c := connect(t, f.url[0])
			for _, sql := range []string{"BEGIN", sql, "PREPARE TRANSACTION '" + gid + "'"} {
				if _, err := c.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			_ = c.Close(ctx)
			want[gid] = outcome
		}
	}
	f.proxy[0].kill(t)
	crash(t, pgtest.Shared(t))
	for i, end := range ends {
		c := connect(t, end.at)
		for k := range 2 {
			if _, err := c.Exec(ctx, fmt.Sprintf("%s PREPARED 'f%d %d'", end.how, i, k)); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close(ctx)
	}
	for deadline := time.Now().Add(2 * pollTime); len(entries(t, j, journal.Filter{Outcome: journal.InDoubt})) > 0; pause(ctx) {
		if time.Now().After(deadline) {
			t.Fatalf("in doubt: %+v", entries(t, j, journal.Filter{Outcome: journal.InDoubt})[0])
		}
	}
	for _, e := range entries(t, j, journal.Filter{}) {
		if e.Outcome != want[e.Prepared] {
			t.Errorf("%s: %s, want %s", e.Prepared, e.Outcome, want[e.Prepared])
		}
		delete(want, e.Prepared)
	}
	if len(want) > 0 {
		t.Errorf("no entries of %v", want)
	}
}
