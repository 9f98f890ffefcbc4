package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// kill9 kills processes; those that have ended are left alone.
func kill9(pids ...int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Both processes are killed at any moment of a restart, under load: the journal
// agrees, and is free for a fresh proxy.
func TestHandover_BothKilled(t *testing.T) {
	database := pgtest.Database(t, tables)
	addr, dir := freeAddr(t), filepath.Join(t.TempDir(), "journal")
	direct, url := pgtest.Shared(t).URL(database), through(addr, database)
	load := startClients(t, 6, url)
	const rounds = 6
	for range rounds {
		p := serve(t, addr, pgtest.Shared(t).Addr(), dir)
		awaitDeletions(t, direct, 5)
		if err := p.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		p.awaitLines(t, "a new process is to take over", 1)
		// From before it has opened the journal until it has taken over.
		for range rand.IntN(60) {
			pause(t.Context())
		}
		pids := append(p.processes(), p.candidates()...)
		rand.Shuffle(len(pids), func(i, j int) { pids[i], pids[j] = pids[j], pids[i] })
		kill9(pids...)
		_ = p.wait()
	}
	load.stop()
	serve(t, addr, pgtest.Shared(t).Addr(), dir)
	rows := compare(t, direct, url, dir)
	t.Logf("killed in %d restarts; %d rows deleted, every one in one committed entry", rounds, rows)
}

// Several signals are one restart each, one after the other, or are refused in words;
// no client sees any of it.
func TestHandover_SignalsInQuickSuccession(t *testing.T) {
	database := pgtest.Database(t, tables)
	addr, dir := freeAddr(t), filepath.Join(t.TempDir(), "journal")
	direct, url := pgtest.Shared(t).URL(database), through(addr, database)
	p := serve(t, addr, pgtest.Shared(t).Addr(), dir)
	stop := patient(t, 3, true, url)
	awaitDeletions(t, direct, 5)
	for range 3 { // to whoever is the newest by then, and to the first one in any case
		for range 5 {
			_ = syscall.Kill(p.newest(), syscall.SIGUSR2)
			_ = p.Signal(syscall.SIGUSR2)
			pause(t.Context())
		}
		awaitDeletions(t, direct, 5)
	}
	// Each candidate takes over: none is in the way of another.
	for deadline := time.Now().Add(pollTime); len(p.processes()) != len(p.candidates())+1; pause(t.Context()) {
		if time.Now().After(deadline) {
			t.Fatalf("%d processes were to take over, %d have", len(p.candidates()), len(p.processes())-1)
		}
	}
	if len(p.candidates()) == 0 || !strings.Contains(p.text(), "no new process takes over; this one goes on") {
		t.Errorf("%d restarts, and none was refused", len(p.candidates()))
	}
	awaitDeletions(t, direct, 5)
	stop()
	rows := compare(t, direct, url, dir)
	p.stop(t)
	t.Logf("%d restarts; %d rows deleted, every one in one committed entry", len(p.candidates()), rows)
}

// The new process dies as soon as it has taken over: clients have nobody to go to, and
// the old process says so and ends in order, sessions' transactions first. A fresh
// proxy that comes too early is told who has the journal.
func TestHandover_SuccessorDiesAtOnce(t *testing.T) {
	p, old, direct, url, dir := succeeded(t, "")
	kill9(p.newest())
	p.awaitLines(t, "the process that took over has ended", 1)
	if !strings.Contains(p.text(), "start rowback again") {
		t.Errorf("what to do is not said:\n%s", p.text())
	}
	addr := old.PgConn().Conn().RemoteAddr().String()
	out, err := exec.CommandContext(t.Context(), program(t), "proxy", "--listen", addr, "--upstream", pgtest.Shared(t).Addr(), "--journal", dir, "--admin", "off").CombinedOutput()
	if want := fmt.Sprintf("process %d", p.PID()); err == nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "until its last session has ended") {
		t.Errorf("a fresh proxy beside it: %v, and it does not name %s:\n%s", err, want, out)
	}
	if _, err := old.Exec(context.Background(), "COMMIT"); err != nil {
		t.Error(err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("the old process ended with %v", err)
	}
	serve(t, addr, pgtest.Shared(t).Addr(), dir)
	query[int](t, url, "SELECT 1")
	wantEntries(t, direct, dir, 3, journal.Committed)
}
