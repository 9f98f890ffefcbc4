package crash

import (
	"fmt"
	"testing"
)

// The journal's primary dies under load, and its synchronous standby is promoted:
// the proxies go on with that, and it holds every deletion that committed.
func TestFleet_JournalFailsOver(t *testing.T) {
	primary, standby := synchronousPair(t)
	// The standby is named first: which host is to be written is found out.
	url := fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write", standby.Addr(), primary.Addr())
	f := startFleet(t, "", primary, url, tables)
	loads := []*clients{startClients(t, 3, f.url[0]), startClients(t, 3, f.url[1])}
	awaitDeletions(t, f.direct, 200)
	before := query[int](t, f.direct, "SELECT count(*)::int FROM deleted_log")[0]
	failOver(t, primary, standby)
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
