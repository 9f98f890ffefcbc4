package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// logLine is what of a line of `rowback log --keys --output json` matters here.
type logLine struct {
	ID      string
	Outcome journal.Outcome
	Rows    int
	Tables  []struct{ Rows int }
	Keys    []json.RawMessage
}

// While a proxy writes, `rowback log` and a reader in this process see whole
// entries only, and never fewer than before.
func TestRead_WhileTheProxyWrites(t *testing.T) {
	ctx := context.Background()
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	dir, addr := filepath.Join(t.TempDir(), "journal"), freeAddr(t)
	serve(t, addr, c.Addr(), dir)
	j, err := journal.Open(ctx, dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	load := startClients(t, 4, through(addr, database))
	seen := map[string]bool{}
	for range 8 {
		awaitDeletions(t, c.URL(database), 3)
		now := readLog(t, dir)
		for id := range seen {
			if !now[id] {
				t.Errorf("rowback log no longer shows %s", id)
			}
		}
		for _, e := range entries(t, j, journal.Filter{}) {
			n := int64(0)
			for _, err := range j.Rows(ctx, e.ID) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != e.Rows {
				t.Errorf("%s has %d keys of %d rows", e.ID, n, e.Rows)
			}
			delete(now, e.ID)
		}
		for id := range now {
			t.Errorf("rowback log has shown %s, the reader does not", id)
		}
		seen = readLog(t, dir)
	}
	load.stop()
	rows := compare(t, c.URL(database), through(addr, database), dir)
	t.Logf("%d entries, %d rows", len(readLog(t, dir)), rows)
}

// readLog runs `rowback log` and returns the ids it shows.
func readLog(t *testing.T, dir string) map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), "log", "--journal", dir, "--keys", "--output", "json")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rowback log: %v\n%s", err, complaint.String())
	}
	ids := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l logLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		n := 0
		for _, table := range l.Tables {
			n += table.Rows
		}
		if len(l.Keys) != l.Rows || n != l.Rows || ids[l.ID] {
			t.Errorf("%s shows %d rows, %d of its tables, %d keys", l.ID, l.Rows, n, len(l.Keys))
		}
		ids[l.ID] = true
	}
	return ids
}
