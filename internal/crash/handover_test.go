package crash

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
)

// handOver has the newest process of a proxy hand over, and waits until it has
// said so, with a line that has text in it.
func (s *served) handOver(t *testing.T, text string) {
	t.Helper()
	before := strings.Count(s.text(), text)
	if err := syscall.Kill(s.newest(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(pollTime); strings.Count(s.text(), text) == before; pause(context.Background()) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not say %q:\n%s", text, sessionEnds.ReplaceAllString(s.text(), ""))
		}
	}
}

const handedOver = `msg="handed over;`

// newest is the process that accepts clients.
func (s *served) newest() int {
	all := s.processes()
	return all[len(all)-1]
}

// processes are all that have been, in order.
func (s *served) processes() []int {
	all := []int{s.PID()}
	for line := range strings.Lines(s.text()) {
		if _, rest, ok := strings.Cut(line, handedOver); ok {
			var pid int
			_, rest, _ = strings.Cut(rest, " pid=")
			fmt.Sscan(rest, &pid)
			all = append(all, pid)
		}
	}
	return all
}

// candidates are processes that were to take over, whether they have or not.
func (s *served) candidates() (all []int) {
	for line := range strings.Lines(s.text()) {
		if _, rest, ok := strings.Cut(line, `msg="a new process is to take over" pid=`); ok {
			var pid int
			fmt.Sscan(rest, &pid)
			all = append(all, pid)
		}
	}
	return all
}

// end kills what is left of the proxy.
func (s *served) end() {
	select {
	case <-s.read: // nothing
	default:
		for _, pid := range append(s.processes(), s.candidates()...) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // an error: it has ended
		}
	}
	_ = s.wait()
}

// awaitLines waits until the proxy has said a text n times.
func (s *served) awaitLines(t *testing.T, text string, n int) {
	t.Helper()
	for deadline := time.Now().Add(pollTime); strings.Count(s.text(), text) < n; pause(context.Background()) {
		if time.Now().After(deadline) {
			t.Fatalf("%q is not there %d times:\n%s", text, n, s.text())
		}
	}
}

// stop stops all processes of a proxy in order, by its newest.
func (s *served) stop(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(s.newest(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// patient clients delete at random, connecting again and again or never, to the urls
// in turn. stop ends them; every error that a client sees fails the test.
func patient(t *testing.T, n int, again bool, urls ...string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range n {
		url := urls[i%len(urls)]
		connect := func() (*pgx.Conn, error) { return pgx.Connect(context.Background(), url) }
		wg.Go(func() {
			c, err := connect()
			for ; err == nil && ctx.Err() == nil; err = firm(c, transact(context.Background(), c, i)) {
				if again {
					c.Close(context.Background())
					if c, err = connect(); err != nil {
						break
					}
				}
			}
			if err != nil {
				t.Errorf("a client of %s (connecting again: %v) sees %v", url, again, err)
			}
			if c != nil {
				c.Close(context.Background())
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

// firm is err, but for what the clients do to each other.
func firm(c *pgx.Conn, err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "40P01" {
		_, err = c.Exec(context.Background(), "ROLLBACK")
	}
	return err
}

// A proxy is restarted again and again under load: no client sees an error, those
// that connect anew go to the newest process, and every deletion is in the journal.
func TestHandover_NoClientSeesIt(t *testing.T) {
	own, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	})
	for name, journal := range map[string]string{"embedded journal": filepath.Join(t.TempDir(), "journal"), "shared journal": own.URL("postgres")} {
		t.Run(name, func(t *testing.T) {
			database := pgtest.Database(t, tables)
			addr := freeAddr(t)
			direct, url := pgtest.Shared(t).URL(database), through(addr, database)
			cert, key := testcert.New(t).Issue(t, "proxy")
			p := serve(t, addr, pgtest.Shared(t).Addr(), journal, "--tls-cert", cert, "--tls-key", key)
			secure := strings.Replace(url, "sslmode=disable", "sslmode=require", 1)
			idle := connect(t, url)
			defer idle.Close(context.Background())
			inside := connect(t, secure)
			defer inside.Close(context.Background())
			run := func(c *pgx.Conn, sql string) {
				t.Helper()
				if _, err := c.Exec(context.Background(), sql); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
			run(inside, "BEGIN")
			run(inside, "DELETE FROM parents WHERE id = 39999")
			staying, coming := patient(t, 4, false, url, secure), patient(t, 4, true, url, secure)
			awaitDeletions(t, direct, 5)
			const restarts = 4
			for range restarts {
				p.handOver(t, handedOver)
				awaitDeletions(t, direct, 20)
			}
			run(idle, "DELETE FROM parents WHERE id = 40000")
			run(inside, "COMMIT")
			staying()
			coming()
			idle.Close(context.Background())
			inside.Close(context.Background())
			p.awaitLines(t, "the last session of the processes before", restarts)
			if err := p.Wait(); err != nil {
				t.Errorf("the first process ended with %v", err)
			}
			rows := compare(t, direct, url, journal)
			p.stop(t)
			t.Logf("%d restarts; %d rows deleted, every one in one committed entry", restarts, rows)
		})
	}
}
