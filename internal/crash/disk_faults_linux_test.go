package crash

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// begin begins a fault of the disk; see testdata/disk.c.
func (d *disk) begin(t *testing.T, fault string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.faults, fault), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *disk) lift(t *testing.T, fault string) {
	t.Helper()
	if err := os.Remove(filepath.Join(d.faults, fault)); err != nil {
		t.Fatal(err)
	}
}

// met is a letter for each call that has met a fault.
func (d *disk) met(t *testing.T, fault string) string {
	t.Helper()
	calls, err := os.ReadFile(filepath.Join(d.faults, fault+".met"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(calls)
}

// Under load the disk hangs, is read-only, full, or slow, for a while each. Amid that the
// proxy is killed, or has just been stopped, and another one starts. The journal agrees
// with the database.
func TestDisk_Faults(t *testing.T) {
	d := newDisk(t)
	d.log = "" // no power is lost
	load := startClients(t, 6, d.url)
	p := d.serve(t)
	// What meets each fault, before and while a proxy starts. A start also makes the
	// files anew that one in order takes away, and cuts one that a killed one leaves.
	faults := []struct{ name, calls string }{{"hangs", "s"}, {"readonly", "wo"}, {"full", "wsto"}, {"slow", "ws"}}
	kinds := 3 * len(faults)
	n, kills, starts, refused := 0, 0, 0, 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end) || n < 2*kinds; n++ {
		awaitDeletions(t, d.direct, 1+rand.IntN(12))
		fault, how := faults[n%len(faults)].name, n%kinds/len(faults)
		if how == 1 {
			p.stop(t)
		}
		before := d.met(t, fault)
		d.begin(t, fault)
		if how == 1 {
			p = d.start(t)
			starts++
		}
		for deadline := time.Now().Add(pollTime); d.met(t, fault) == before; pause(t.Context()) {
			if time.Now().After(deadline) {
				t.Fatalf("nothing meets the fault %q", fault)
			}
		}
		lasts := func() { time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) }
		lasts()
		if how == 2 {
			p.kill(t)
			p = d.start(t)
			kills++
			starts++
			lasts()
		}
		d.lift(t, fault)
		if !p.listens() {
			if said := p.text(); !strings.Contains(said, d.dir) {
				t.Errorf("it does not start, and says nothing of the journal: %s", said)
			}
			refused++
			p = d.serve(t)
		}
	}
	load.stop()
	for _, f := range faults {
		met := d.met(t, f.name)
		for _, call := range f.calls {
			if !strings.ContainsRune(met, call) {
				t.Errorf("no call %q has met the fault %q", call, f.name)
			}
		}
		t.Logf("%s: met by %d calls", f.name, len(met))
	}
	rows := compare(t, d.direct, d.url, d.dir)
	t.Logf("the disk failed %d times, amid which the proxy was killed %d times, and started %d times (%d times it would not yet); %d rows deleted, every one in one committed entry",
		n, kills, starts, refused, rows)
}

// While the disk hangs, deletions wait, and nothing else does. A proxy that is killed
// then has let nothing through.
func TestDisk_Hangs(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	p := d.serve(t)
	conn, other := connect(t, d.url), connect(t, d.url)
	defer other.Close(ctx)
	for _, killed := range []bool{false, true} {
		before := len(query[int](t, d.direct, "SELECT 1 FROM deleted_log"))
		d.begin(t, "hangs")
		done := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, "DELETE FROM parents WHERE id = (SELECT min(id) FROM parents)")
			done <- err
		}()
		// It has run, and its transaction waits for what the proxy does.
		for deadline := time.Now().Add(pollTime); len(query[int](t, d.direct, `SELECT 1 FROM pg_stat_activity
			WHERE datname = current_database() AND backend_xid IS NOT NULL AND wait_event = 'ClientRead'`)) == 0; pause(ctx) {
			if time.Now().After(deadline) {
				t.Fatal("no DELETE waits for its commit")
			}
		}
		for _, sql := range []string{"SELECT 1", "UPDATE parents SET a = 'y' WHERE id = 1000"} {
			if _, err := other.Exec(ctx, sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		select {
		case err := <-done:
			t.Errorf("the DELETE did not wait: %v", err)
		default:
		}
		if killed {
			p.kill(t)
		}
		d.lift(t, "hangs")
		if err := <-done; (err == nil) == killed {
			t.Errorf("the DELETE ends with %v", err)
		}
		awaitQuiet(t, d.direct)
		want := before + 3
		if killed {
			want = before
		}
		if gone := len(query[int](t, d.direct, "SELECT 1 FROM deleted_log")); gone != want {
			t.Errorf("%d rows are gone, want %d", gone, want)
		}
	}
	d.serve(t)
	compare(t, d.direct, d.url, d.dir)
}

// On a disk that has become read-only deletions are refused, and nothing else, also by a
// proxy that starts then (one to which another has handed over: it can take no lock of its
// own); when it can be written again they work.
func TestDisk_ReadOnly(t *testing.T) {
	d := newDisk(t)
	p := d.serve(t)
	if s := state(t, d.url, "DELETE FROM parents WHERE id = 1"); s != "" {
		t.Fatal(s)
	}
	d.begin(t, "readonly")
	for range 2 {
		for range 2 {
			if s := state(t, d.url, "DELETE FROM parents WHERE id = 2"); s != "RB002" {
				t.Errorf("DELETE: SQLSTATE %q", s)
			}
		}
		p.kill(t)
		p = d.serve(t)
	}
	if s := state(t, d.url, "UPDATE parents SET a = 'y' WHERE id = 2"); s != "" {
		t.Errorf("UPDATE: SQLSTATE %q", s)
	}
	if gone := len(query[int](t, d.direct, "SELECT 1 FROM deleted_log")); gone != 3 {
		t.Errorf("%d rows are gone, want the 3 with evidence", gone)
	}
	d.lift(t, "readonly")
	if s := state(t, d.url, "DELETE FROM parents WHERE id = 2"); s != "" {
		t.Errorf("DELETE with the disk back: SQLSTATE %q", s)
	}
	if rows := compare(t, d.direct, d.url, d.dir); rows != 6 {
		t.Errorf("%d rows, want 6", rows)
	}
	j, err := journal.Open(t.Context(), d.dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if n := len(entries(t, j, journal.Filter{Outcome: journal.Committed})); n != 2 {
		t.Errorf("%d committed entries, want 2", n)
	}
}
