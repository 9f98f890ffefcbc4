package crash

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/built"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// jumping makes the proxies of this test ones whose wall clock jumps by hours, back and
// forth, about twice a second, each process's at moments of its own; the monotonic clock
// goes on. They are built with a time.Now that does so.
func jumping(t *testing.T) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	clock, dir := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go"), t.TempDir()
	source, err := os.ReadFile(clock)
	if err != nil {
		t.Fatal(err)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()"
	if strings.Count(string(source), now) != 1 {
		t.Fatalf("%s has another time.Now than this test knows", clock)
	}
	// In the same line: only what imports time itself is compiled again.
	source = []byte(strings.Replace(string(source), now, now+"; sec += ((mono>>29+startNano)*7%5 - 2) * 7200", 1))
	changed, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{clock: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{changed: source, overlay: replace} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if made.instead, err = built.Program(t.Context(), dir, "-overlay", overlay); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.instead = "" })
}

// counting has windows that are never full, and keeps for longer than the clock jumps.
const counting = "rules: [{name: counted, tables: ['*'], windows: [{rows: 10000000, per: 1h, by: [table, user]}]}]\njournal-keep: 3d\n"

// The clock jumps: no client notices, and whether proxies are killed or not, the journal
// agrees with the database.
func TestClock_Jumps(t *testing.T) {
	jumping(t)
	database := pgtest.Database(t, tables)
	direct, dir, addr := pgtest.Shared(t).URL(database), filepath.Join(t.TempDir(), "journal"), freeAddr(t)
	config, url := filepath.Join(t.TempDir(), "rowback.yaml"), through(addr, database)
	if err := os.WriteFile(config, []byte(counting), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *served {
		return serve(t, addr, pgtest.Shared(t).URL("postgres"), dir, "--config", config)
	}
	p := start()
	end := time.Now().Add(howLong(t, normal))
	stop := patient(t, 6, false, url)
	for half := time.Now().Add(time.Until(end) / 2); time.Now().Before(half); {
		awaitDeletions(t, direct, 20)
	}
	stop()
	load, kills := startClients(t, 6, url), 0
	for ; time.Now().Before(end); kills++ {
		awaitDeletions(t, direct, 1+rand.IntN(12))
		p.kill(t)
		p = start()
	}
	load.stop()
	rows := compare(t, direct, url, dir)
	t.Logf("the proxy, whose clock jumps between %s, was killed %d times; %d rows deleted, every one in one committed entry", wantJumps(t, dir), kills, rows)
}

// Proxies of a fleet have clocks that are hours apart.
func TestClock_JumpsInFleet(t *testing.T) {
	jumping(t)
	f := newFleet(t, counting, tables)
	loads := []*clients{startClients(t, 3, f.url[0]), startClients(t, 3, f.url[1])}
	kills := 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); kills++ {
		awaitDeletions(t, f.direct, 1+rand.IntN(12))
		i := rand.IntN(2)
		f.proxy[i].kill(t)
		f.start(t, i)
	}
	for _, l := range loads {
		l.stop()
	}
	rows := compare(t, f.direct, f.url[0], f.journal)
	t.Logf("proxies, whose clocks jump between %s, were killed %d times; %d rows deleted, every one in one committed entry", wantJumps(t, f.journal), kills, rows)
	allowanceOnce(t)
}

// wantJumps returns from when to when the entries are: hours behind, and hours ahead.
func wantJumps(t *testing.T, where string) string {
	t.Helper()
	j, err := journals.Open(context.Background(), where, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	now := time.Now()
	first, last := now, now
	for _, e := range entries(t, j, journal.Filter{}) {
		if e.Time.Before(first) {
			first = e.Time
		}
		if e.Time.After(last) {
			last = e.Time
		}
	}
	if now.Sub(first) < time.Hour || last.Sub(now) < time.Hour {
		t.Errorf("the clock did not jump: the entries are from %v to %v", first, last)
	}
	return first.Sub(now).Round(time.Hour).String() + " and +" + last.Sub(now).Round(time.Hour).String()
}
