package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
)

// evident checks that the shared proxy's journal names just the rows of clients.sql that are
// gone from a database, each once.
func evident(t *testing.T, database string) {
	t.Helper()
	evidentIn(t, filepath.Join(shared.dir, "journal"), database)
}

// evidentIn is evident for the journal of another proxy.
func evidentIn(t *testing.T, journal, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.Shared(t).URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	recorded, n := journaled(t, journal, database), 0
	for _, table := range []string{"parent", "child"} {
		rows, err := conn.Query(t.Context(), "SELECT number FROM generate_series(1, 1500) number WHERE NOT EXISTS (SELECT FROM "+table+" WHERE id = number) ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		gone, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil {
			t.Fatal(err)
		}
		if got := recorded[table]; !slices.Equal(got, gone) {
			t.Errorf("%s: the journal has %d rows, gone are %d\nunrecorded %v\ntoo many %v", table, len(got), len(gone), without(gone, got), without(got, gone))
		}
		n += len(gone)
	}
	if n == 0 {
		t.Error("no row is gone: the script has tested nothing")
	}
}

// without are the elements of a that are not in b.
func without(a, b []int) []int {
	return slices.DeleteFunc(slices.Clone(a), func(n int) bool { return slices.Contains(b, n) })
}

// journaled are the ids up to 1500 of a table's rows whose removal was committed, sorted.
func journaled(t *testing.T, journal, database string) map[string][]int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), "log", "--journal", journal, "--database", database, "--outcome", "committed", "--kind", "deletion", "--keys", "--output", "json")
	cmd.Dir, cmd.Stderr = t.TempDir(), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string][]int{}
	for entries := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct {
			Keys []struct {
				Table string
				Key   struct{ ID int }
			}
		}
		switch err := entries.Decode(&e); err {
		case nil:
		case io.EOF:
			for table := range ids {
				slices.Sort(ids[table])
			}
			return ids
		default:
			t.Fatal(err)
		}
		for _, k := range e.Keys {
			if k.Key.ID <= 1500 {
				ids[k.Table] = append(ids[k.Table], k.Key.ID)
			}
		}
	}
}
