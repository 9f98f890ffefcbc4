package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// fleet is two proxies in front of one database, which share a journal on a
// server of its own.
type fleet struct {
	database string
	direct   string
	server   *pgtest.Cluster // of the journal
	journal  string          // URL
	config   string          // file
	addr     [2]string
	url      [2]string
	proxy    [2]*served
}

func newFleet(t *testing.T, config string, sql ...string) *fleet {
	t.Helper()
	c, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return startFleet(t, config, c, c.URL("postgres"), sql...)
}

func startFleet(t *testing.T, config string, server *pgtest.Cluster, url string, sql ...string) *fleet {
	t.Helper()
	f := &fleet{database: pgtest.Database(t, sql...), server: server, journal: url, config: filepath.Join(t.TempDir(), "rowback.yaml")}
	f.direct = pgtest.Shared(t).URL(f.database)
	if err := os.WriteFile(f.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range f.proxy {
		f.addr[i] = freeAddr(t)
		f.url[i] = through(f.addr[i], f.database)
		f.start(t, i)
	}
	return f
}

// start starts proxy i, with a control connection.
func (f *fleet) start(t *testing.T, i int) {
	t.Helper()
	f.proxy[i] = serve(t, f.addr[i], pgtest.Shared(t).URL("postgres"), f.journal, "--config", f.config)
}

func (f *fleet) open(t *testing.T) journal.Journal {
	t.Helper()
	j, err := journals.Open(t.Context(), f.journal, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// state is the SQLSTATE of what a proxy answers to a statement, "" if it went through.
func state(t *testing.T, url, sql string) string {
	t.Helper()
	c := connect(t, url)
	defer c.Close(context.Background())
	_, err := c.Exec(context.Background(), sql)
	var answer *pgconn.PgError
	if err != nil && !errors.As(err, &answer) {
		t.Fatalf("%s: %v", sql, err)
	}
	if answer == nil {
		return ""
	}
	return answer.Code
}

const items = "CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items SELECT generate_series(1, 1000)"

// Proxies are killed under load, the last time for good: the other one settles
// what is left, and the journal agrees with the truth.
func TestFleet_ProxyKilled(t *testing.T) {
	f := newFleet(t, "", tables)
	loads := []*clients{startClients(t, 3, f.url[0]), startClients(t, 3, f.url[1])}
	kills := 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); kills++ {
		awaitDeletions(t, f.direct, 1+rand.IntN(12))
		i := rand.IntN(2)
		f.proxy[i].kill(t)
		f.start(t, i)
	}
	awaitDeletions(t, f.direct, 5)
	f.proxy[0].kill(t)
	for _, l := range loads {
		l.stop()
	}
	rows := compare(t, f.direct, f.url[1], f.journal)
	t.Logf("proxies were killed %d times; %d rows deleted, every one in one committed entry", kills+1, rows)
}

// An allowance for one transaction is used by one, whichever proxies they come through.
func TestFleet_AllowanceOnce(t *testing.T) { allowanceOnce(t) }

func allowanceOnce(t *testing.T) {
	t.Helper()
	f := newFleet(t, "threshold: 0\n", items)
	j := f.open(t)
	for round := range 5 {
		now := time.Now()
		if err := j.Grant(t.Context(), &journal.Allowance{ID: journal.NewID(now), Time: now, Expires: now.Add(48 * time.Hour), Rows: 100, Once: true, By: "ops"}); err != nil {
			t.Fatal(err)
		}
		var through, refused atomic.Int32
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				switch s := state(t, f.url[n%2], fmt.Sprintf("DELETE FROM items WHERE id BETWEEN %d AND %[1]d + 4", 1+round*100+n*10)); s {
				case "":
					through.Add(1)
				case "RB001":
					refused.Add(1)
				default:
					t.Errorf("SQLSTATE %s", s)
				}
			})
		}
		wg.Wait()
		if through.Load() != 1 || refused.Load() != 7 {
			t.Errorf("%d went through and %d were refused", through.Load(), refused.Load())
		}
	}
}

// A window counts what goes through both, at the same time too, and what a proxy
// finds that comes later.
func TestFleet_Window(t *testing.T) {
	f := newFleet(t, "rules:\n  - name: slowly\n    tables: [items]\n    windows: [{rows: 10, per: 1h}]\n", items)
	var through atomic.Int32
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 4 {
				switch s := state(t, f.url[n%2], fmt.Sprintf("DELETE FROM items WHERE id = %d", 1+n*10+i)); s {
				case "":
					through.Add(1)
				case "RB001":
				default:
					t.Errorf("SQLSTATE %s", s)
				}
			}
		})
	}
	wg.Wait()
	if n := through.Load(); n > 10 || n == 0 {
		t.Errorf("%d rows went, 10 may", n)
	}
	// Refused ones count no more.
	for i := 0; through.Load() < 10; i++ {
		if s := state(t, f.url[i%2], fmt.Sprintf("DELETE FROM items WHERE id = %d", 500+i)); s != "" {
			t.Fatalf("row %d: SQLSTATE %s", through.Load()+1, s)
		}
		through.Add(1)
	}
	for _, url := range f.url {
		if s := state(t, url, "DELETE FROM items WHERE id = 600"); s != "RB001" {
			t.Errorf("the 11th row: SQLSTATE %q", s)
		}
	}
	f.proxy[0].kill(t)
	f.start(t, 0)
	if s := state(t, f.url[0], "DELETE FROM items WHERE id = 600"); s != "RB001" {
		t.Errorf("the 11th row, after a restart: SQLSTATE %q", s)
	}
	if s := state(t, f.url[0], "SELECT 1"); s != "" {
		t.Error(s)
	}
}

// A statement that one proxy holds is answered by a command that knows the
// journal alone.
func TestFleet_HoldAnswered(t *testing.T) {
	f := newFleet(t, "mode: hold\nthreshold: 5\n", items)
	j := f.open(t)
	for i, answer := range []string{"allow", "deny"} {
		done := make(chan string, 1)
		go func() {
			done <- state(t, f.url[i], fmt.Sprintf("DELETE FROM items WHERE id BETWEEN %d AND %[1]d + 9", 1+i*100))
		}()
		var id string
		for deadline := time.Now().Add(pollTime); id == ""; pause(t.Context()) {
			holds, err := j.Holds(t.Context(), journal.Waiting)
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("nothing is held: %v", err)
			}
			if len(holds) > 0 {
				id = holds[0].ID
			}
		}
		out, err := exec.CommandContext(t.Context(), program(t), answer, id, "--journal", f.journal, "--reason", "so").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", answer, err, out)
		}
		if s, want := <-done, map[string]string{"allow": "", "deny": "RB001"}[answer]; s != want {
			t.Errorf("after %s: SQLSTATE %q, want %q", answer, s, want)
		}
	}
}

// Without the journal's server deletions are refused, and nothing else, also by a
// proxy that has started without it; with it they go on.
func TestFleet_JournalAway(t *testing.T) {
	f := newFleet(t, "rules: [{name: slow, tables: [items], windows: [{rows: 900, per: 1h}]}]\n", items)
	for i, url := range f.url {
		if s := state(t, url, fmt.Sprintf("DELETE FROM items WHERE id = %d", 1+i)); s != "" {
			t.Fatal(s)
		}
	}
	if err := f.server.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	f.server.Wait()
	f.proxy[0].kill(t)
	f.start(t, 0) // it finds no journal
	for i, url := range f.url {
		for range 2 {
			if s := state(t, url, fmt.Sprintf("DELETE FROM items WHERE id = %d", 11+i)); s != "RB002" {
				t.Errorf("DELETE without the journal: SQLSTATE %q", s)
			}
		}
		if s := state(t, url, "UPDATE items SET id = id WHERE id = 20"); s != "" {
			t.Errorf("UPDATE without the journal: SQLSTATE %q", s)
		}
	}
	if err := f.server.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, url := range f.url {
		for deadline := time.Now().Add(pollTime); ; pause(t.Context()) {
			s := state(t, url, fmt.Sprintf("DELETE FROM items WHERE id = %d", 11+i))
			if s == "" {
				break
			}
			if s != "RB002" || time.Now().After(deadline) {
				t.Fatalf("DELETE with the journal back: SQLSTATE %q", s)
			}
		}
	}
	j := f.open(t)
	for deadline := time.Now().Add(pollTime); len(entries(t, j, journal.Filter{Outcome: journal.InDoubt})) > 0; pause(t.Context()) {
		if time.Now().After(deadline) {
			t.Fatal("entries stay in doubt")
		}
	}
	if n, left := len(entries(t, j, journal.Filter{Outcome: journal.Committed})), query[int](t, f.direct, "SELECT count(*)::int FROM items")[0]; n != 4 || left != 996 {
		t.Errorf("%d committed entries, %d rows left", n, left)
	}
	for _, url := range f.url { // the window knows of them
		if s := state(t, url, "DELETE FROM items WHERE id > 100"); s != "RB001" {
			t.Errorf("900 rows more: SQLSTATE %q", s)
		}
	}
}
