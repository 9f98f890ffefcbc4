package crash

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// The journal's primary dies under load, and its synchronous standby is promoted:
// the proxies go on with that, and it holds every deletion that committed.
func TestFleet_JournalFailsOver(t *testing.T) {
	primary, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop() })
	standby, err := primary.Standby(t.Context())
	if err != nil {
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
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the standby is not synchronous")
		}
	}
	// The standby is named first: which host is to be written is found out.
	url := fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write", standby.Addr(), primary.Addr())
	f := startFleet(t, "", primary, url, tables)
	loads := []*clients{startClients(t, 3, f.url[0]), startClients(t, 3, f.url[1])}
	awaitDeletions(t, f.direct, 200)
	before := query[int](t, f.direct, "SELECT count(*)::int FROM deleted_log")[0]
	if err := primary.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	primary.Wait()
	c := connect(t, standby.URL("postgres"))
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	awaitDeletions(t, f.direct, 200)
	for _, l := range loads {
		l.stop()
	}
	rows := compare(t, f.direct, f.url[1], f.journal)
	t.Logf("%d rows deleted, at least %d of them before the failover; every one is in one committed entry", rows, before)
	for _, p := range f.proxy {
		select {
		case <-p.Done():
			t.Errorf("a proxy did not live through it: %v", p.wait())
		default:
		}
	}
}
