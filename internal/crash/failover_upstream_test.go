package crash

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// synchronousPair is a primary whose commits wait for its standby.
func synchronousPair(t *testing.T) (primary, standby *pgtest.Cluster) {
	t.Helper()
	primary, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop() })
	if standby, err = primary.Standby(t); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	pgtest.Exec(t, primary.URL("postgres"), "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
	for deadline := time.Now().Add(pollTime); ; pause(t.Context()) {
		if sync := query[string](t, primary.URL("postgres"), "SELECT sync_state FROM pg_stat_replication"); len(sync) == 1 && sync[0] == "sync" {
			return primary, standby
		}
		if time.Now().After(deadline) {
			t.Fatal("the standby is not synchronous")
		}
	}
}

// failOver kills the primary and promotes the standby.
func failOver(t *testing.T, primary, standby *pgtest.Cluster) {
	t.Helper()
	if err := primary.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	primary.Wait()
	c := connect(t, standby.URL("postgres"))
	defer c.Close(context.Background())
	// A statement that waits for it can hold up, by its snapshot, what is to be replayed first.
	if _, err := c.Exec(t.Context(), "SELECT pg_promote(wait => false)"); err != nil {
		t.Fatal(err)
	}
}

// The database's primary dies under load, and its standby is promoted: new sessions
// go there by themselves, what is in doubt is settled there, and the journal agrees
// with what the new primary has lost.
func TestFailover_Upstream(t *testing.T) {
	primary, standby := synchronousPair(t)
	pgtest.Exec(t, primary.URL("postgres"), tables)
	addr, dir := freeAddr(t), filepath.Join(t.TempDir(), "journal")
	// The standby is named first: which host is the primary is found out.
	p := serve(t, addr, fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=primary", standby.Addr(), primary.Addr()), dir)
	url, direct := through(addr, "postgres"), standby.URL("postgres")
	load := startClients(t, 6, url)
	awaitDeletions(t, direct, 100)
	before := query[int](t, direct, "SELECT count(*)::int FROM deleted_log")[0]
	failOver(t, primary, standby)
	awaitDeletions(t, direct, 100)
	load.stop()
	rows := compare(t, direct, url, dir)
	p.stop(t)
	t.Logf("%d rows deleted, at least %d of them before the failover; every one is in one committed entry", rows, before)
}
