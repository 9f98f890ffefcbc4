package journaltest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

const (
	childRole     = "JOURNALTEST_ROLE"
	childLocation = "JOURNALTEST_LOCATION"
)

// Child does a child's work, and exits, in a process that is one. Call it first in TestMain.
func Child() {
	role := os.Getenv(childRole)
	if role == "" {
		return
	}
	work := child
	if id, ok := strings.CutPrefix(role, useRole); ok {
		work = func(_, location string) error { return useChild(id, location) }
	}
	if err := work(role, os.Getenv(childLocation)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child appends entries, for ever ("endless") or ten of them, and prints the ID
// of each once it is stored. The keys are gathered once: all its time goes into
// Append, so that is where a kill finds it.
func child(role, location string) error {
	const rows = 30_000 // several blocks
	ctx := context.Background()
	j, err := journals.Open(ctx, location, journal.Options{})
	if err != nil {
		return err
	}
	defer j.Close()
	k := journal.NewKeys("")
	defer k.Close()
	for n := range rows {
		if err := k.Add(number(n + 1)); err != nil {
			return err
		}
	}
	for i := 0; role == "endless" || i < 10; i++ {
		e := entry(func(e *journal.Entry) {
			e.Time = time.Now()
			e.User = role
			e.Rows = rows
		})
		if err := j.Append(ctx, e, k); err != nil {
			return err
		}
		fmt.Println(e.ID)
	}
	return nil
}

// start starts a child. stdin may be nil.
func start(t *testing.T, role, location string, stdin *os.File) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.Env = append(os.Environ(), childRole+"="+role, childLocation+"="+location)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

// Two other processes write while this one writes and reads.
func testOtherProcess(t *testing.T, location NewLocation) {
	where := location(t)
	j := open(t, where)
	a, outA := start(t, "a", where, nil)
	b, outB := start(t, "b", where, nil)
	for _, out := range []*bufio.Reader{outA, outB} {
		for line, err := out.ReadString('\n'); err == nil; line, err = out.ReadString('\n') {
			id := strings.TrimSpace(line)
			e, err := j.Entry(t.Context(), id)
			if err != nil {
				t.Fatalf("stored by another process, not here: %v", err)
			}
			if err := checkNumbers(t.Context(), j, id, int(e.Rows)); err != nil {
				t.Error(err)
			}
			if err := j.Settle(t.Context(), id, journal.Committed); err != nil {
				t.Error(err)
			}
			add(t, j, entry(nil), nil)
		}
	}
	for _, cmd := range []*exec.Cmd{a, b} {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if n := len(list(t, j, journal.Filter{Outcome: journal.Committed})); n != 20 {
		t.Errorf("%d entries of the other processes, want 20", n)
	}
}

// A writer is killed again and again: what it said was stored is there whole,
// and what it did not finish is whole or absent.
func testKilled(t *testing.T, location NewLocation) {
	where := location(t)
	stored := make(map[string]bool)
	for kill := range 30 {
		cmd, out := start(t, "endless", where, nil)
		for range 1 + kill%3 {
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			stored[strings.TrimSpace(line)] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// What was printed before the end counts too.
		rest, _ := io.ReadAll(out)
		for line := range strings.Lines(string(rest)) {
			if strings.HasSuffix(line, "\n") {
				stored[strings.TrimSpace(line)] = true
			}
		}
		_ = cmd.Wait() // killed
	}
	j := open(t, where)
	found := 0
	for e, err := range j.Entries(t.Context(), journal.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if stored[e.ID] {
			found++
		}
		if err := checkNumbers(t.Context(), j, e.ID, int(e.Rows)); err != nil {
			t.Error(err)
		}
	}
	if found != len(stored) {
		t.Errorf("%d of %d entries are left", found, len(stored))
	}
}
