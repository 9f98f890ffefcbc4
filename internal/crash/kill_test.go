package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// normal is how long a run lasts unless SOAK says otherwise.
const normal = 15 * time.Second

func TestKill_Proxy(t *testing.T) {
	proxiesKilled(t, "the proxy was", func(_ *pgtest.Cluster, p *served) { p.kill(t) })
}

// The machine of both dies, but for its disk: at one moment every process is gone.
func TestKill_Both(t *testing.T) {
	proxiesKilled(t, "proxy and server were", func(c *pgtest.Cluster, p *served) {
		killServer(t, c, p.PID())
		_ = p.wait() // killed
		restart(t, c)
	})
}

// proxiesKilled has proxies come under load and go by kill. Some of them leave settling to
// the sessions, some do it over the control connection.
func proxiesKilled(t *testing.T, who string, kill func(*pgtest.Cluster, *served)) {
	t.Helper()
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
		kill(c, p)
	}
	load.stop()
	serve(t, addr, c.Addr(), dir)
	rows := compare(t, c.URL(database), url, dir)
	t.Logf("%s killed %d times; %d rows deleted, every one in one committed entry", who, kills, rows)
}

// The proxy stays up while the server crashes: by its postmaster, a backend, or all its
// processes at once.
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
		switch rand.IntN(3) {
		case 0:
			crash(t, c)
		case 1:
			crashBackend(t, c.URL(database))
		case 2:
			killServer(t, c)
			restart(t, c)
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
	restart(t, c)
}

func restart(t *testing.T, c *pgtest.Cluster) {
	t.Helper()
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// killServer kills all processes of a server at once, and others with them, in any order:
// none can write a word more, nor can the postmaster tell the others. It returns when
// they are gone.
func killServer(t *testing.T, c *pgtest.Cluster, others ...int) {
	t.Helper()
	master := c.PID()
	freeze(t, master) // it starts no more
	all := append(append(others, master), children(t, master)...)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL) // an error: it has ended by itself
	}
	c.Wait()
	for deadline := time.Now().Add(pollTime); ; pause(context.Background()) {
		if !slices.ContainsFunc(all, func(pid int) bool { return !slices.Contains(others, pid) && alive(pid) }) {
			return // what is shared between them is nobody's
		}
		if time.Now().After(deadline) {
			t.Fatal("processes of the server outlive SIGKILL")
		}
	}
}

// freeze stops a process, and returns when it has stopped.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(pollTime); runState(pid) != 'T'; pause(context.Background()) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d goes on after SIGSTOP", pid)
		}
	}
}

// children of a process that starts none meanwhile.
func children(t *testing.T, pid int) (all []int) {
	t.Helper()
	said, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(string(said)) {
		child, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, child)
	}
	return all
}

// alive reports whether there is such a process that has not ended (a zombie has).
func alive(pid int) bool {
	state := runState(pid)
	return state != 0 && state != 'Z' && state != 'X'
}

// runState is the state that /proc shows of a process; 0: there is none.
func runState(pid int) byte {
	said, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(said), ") ")
	if err != nil || state == "" {
		return 0
	}
	return state[0]
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
