package diff

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// What stands there stays, also where a link leads, and so does a device.
func TestRun_OutIsThereAlready(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
	l.exec("DELETE FROM t")
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, l.out); err != nil {
		t.Fatal(err)
	}
	var refusal *recovery.Refusal
	for _, out := range []string{target, l.out} {
		_, err := Run(t.Context(), Options{Production: l.production, Recovery: l.recovery, Out: out})
		if text, _ := os.ReadFile(target); !errors.As(err, &refusal) || refusal.Kind != recovery.Usage || !strings.Contains(err.Error(), target+" is there already") || string(text) != "old" {
			t.Errorf("%s: %v, %q", out, err, text)
		}
	}
	if _, err := Run(t.Context(), Options{Production: l.production, Recovery: l.recovery, Out: os.DevNull}); err == nil {
		t.Error("a device is replaced")
	}
}

// An incident that the comparison has nothing of is told, not passed over.
func TestRun_AnIncidentOfOtherTables(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (n int, at timestamptz, PRIMARY KEY (n, at)); CREATE TABLE u (id int PRIMARY KEY)")
	j := l.journal()
	id := record(t, j, journal.Deletion, journal.Committed, l.name, "t", journal.Direct, "2026-01-01 00:00+00", "1")
	for table, want := range map[string]int{"t": 0, "u": 1} {
		if r := l.diff(Options{Journal: j, Tables: []string{table}, Incidents: []string{id}}); len(r.Notes) != want {
			t.Errorf("%s: %q", table, r.Notes)
		}
	}
}

// Production in the place of the backup would show as lost what was made since.
func TestRun_RefusesSwappedDatabases(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (n int, at timestamptz, PRIMARY KEY (n, at))")
	j := l.journal()
	record(t, j, journal.Deletion, journal.Committed, l.name, "t", journal.Direct, "2026-01-01 00:00+00", "1")
	l.diff(Options{Journal: j})
	_, err := Run(t.Context(), Options{Production: l.recovery, Recovery: l.production, Journal: j})
	var refusal *recovery.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "swapped?") {
		t.Errorf("%v", err)
	}
}
