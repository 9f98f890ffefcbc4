package crash

import (
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// oneParent removes a row with evidence, whatever the load has left.
const oneParent = "DELETE FROM parents WHERE id = (SELECT max(id) FROM parents)"

// The journal's server hangs, is killed or crashes under load, and is there again, again
// and again: for a moment, or for longer than a write is tried again. Then deletions are
// refused, until it is back, and a proxy that starts meanwhile does so as well. The journal
// agrees with the database.
func TestFleet_JournalAwayUnderLoad(t *testing.T) {
	f := newFleet(t, "", tables)
	loads := []*clients{startClients(t, 3, f.url[0]), startClients(t, 3, f.url[1])}
	back := func() { restart(t, f.server) }
	outages := []func() (back func()){
		func() func() { return hang(t, f.server) },
		func() func() {
			killServer(t, f.server)
			return back
		},
		func() func() {
			if err := f.server.Signal(syscall.SIGQUIT); err != nil {
				t.Fatal(err)
			}
			f.server.Wait()
			return back
		},
	}
	n, long, kills := 0, 0, 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end) || n < len(outages); n++ {
		awaitDeletions(t, f.direct, 1+rand.IntN(12))
		back := outages[n%len(outages)]()
		if n%2 == 0 {
			long++
			f.wantRefusals(t)
		} else {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond) // that is how long it lasts
		}
		if i := rand.IntN(2); n%2 == 0 && n%len(outages) > 0 { // where it hangs a start takes its time
			kills++
			f.proxy[i].kill(t)
			f.start(t, i)
			f.wantRefusals(t)
		}
		back()
		for _, url := range f.url {
			for deadline := time.Now().Add(pollTime); ; pause(t.Context()) {
				s := state(t, url, oneParent)
				if s == "" {
					break
				}
				if s != "RB002" || time.Now().After(deadline) {
					t.Fatalf("DELETE with the journal back: SQLSTATE %q", s)
				}
			}
		}
	}
	for _, l := range loads {
		l.stop()
	}
	rows := compare(t, f.direct, f.url[1], f.journal)
	t.Logf("the journal was away %d times, %d times until deletions were refused, amid which a proxy was killed %d times; %d rows deleted, every one in one committed entry",
		n, long, kills, rows)
}

// wantRefusals checks that no proxy lets a deletion through. The first ones take as long
// as a write is tried again.
func (f *fleet) wantRefusals(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	for _, url := range f.url {
		wg.Go(func() {
			for range 2 {
				if s := state(t, url, oneParent); s != "RB002" {
					t.Errorf("DELETE without the journal: SQLSTATE %q", s)
				}
			}
		})
	}
	wg.Wait()
}

// hang stops all processes of a server, until back.
func hang(t *testing.T, c *pgtest.Cluster) (back func()) {
	t.Helper()
	freeze(t, c.PID()) // it starts no more
	all := append(children(t, c.PID()), c.PID())
	signal := func(s syscall.Signal) {
		for _, pid := range all {
			_ = syscall.Kill(pid, s) // an error: it has ended by itself
		}
	}
	signal(syscall.SIGSTOP)
	back = func() { signal(syscall.SIGCONT) }
	t.Cleanup(back)
	return back
}
