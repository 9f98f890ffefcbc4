package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// A proxy keeps its journal within journal-keep by itself: what is older goes, what is in
// doubt, or is not so old, stays.
func TestRetention_TheProxyKeepsItsJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(t.Context(), dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	var stay []string
	for age, outcome := range map[time.Duration]journal.Outcome{40 * day: journal.Committed, 41 * day: journal.Blocked, 42 * day: journal.InDoubt, 20 * day: journal.Committed} {
		at := time.Now().UTC().Add(-age)
		e := &journal.Entry{ID: journal.NewID(at), Time: at, Kind: journal.Deletion, Database: "gone", Outcome: outcome}
		if err := j.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
		if age < 30*day || outcome == journal.InDoubt {
			stay = append(stay, e.ID)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	p, _, err := startProxy(exec.CommandContext(context.Background(), program(t), "proxy", "--listen", "127.0.0.1:0",
		"--upstream", pgtest.Shared(t).Addr(), "--journal", dir, "--admin", "off", "--journal-keep", "30d"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(p.Signal(syscall.SIGTERM), p.Wait()); err != nil {
			t.Error(err)
		}
	}()
	slices.Sort(stay)
	eventually(t, "what is old to go", func() error {
		r, err := journal.Open(t.Context(), dir, journal.Options{MustExist: true})
		if err != nil {
			return err
		}
		defer r.Close()
		var left []string
		for e, err := range r.Entries(t.Context(), journal.Filter{}) {
			if err != nil {
				return err
			}
			left = append(left, e.ID)
		}
		if slices.Sort(left); !slices.Equal(left, stay) {
			return fmt.Errorf("there are %v, want %v", left, stay)
		}
		return nil
	})
}
