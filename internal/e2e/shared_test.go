package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// A journal that proxies share serves log, restore, undo and diff as one in a
// directory does: keys, images, cut links, what is on record as deleted.
func TestSharedJournal_RestoreUndoAndDiff(t *testing.T) {
	// Of its own: a shared journal is refused by a server that is not durable.
	keeper, err := pgtest.Start(context.Background(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := keeper.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := newShopOn(t, keeper.URL("postgres"), "rules:\n  - {name: whole, tables: [notes], capture: rows}\n", nil, `
		CREATE TABLE orders (id int PRIMARY KEY, v text); CREATE TABLE items (id int PRIMARY KEY, o int NOT NULL REFERENCES orders ON DELETE CASCADE);
		CREATE TABLE visits (id int PRIMARY KEY, o int REFERENCES orders ON DELETE SET NULL); CREATE TABLE notes (id int PRIMARY KEY, v text);
		INSERT INTO orders SELECT i, 'o' || i FROM generate_series(1, 3000) i; INSERT INTO items SELECT i, 1 + i % 3000 FROM generate_series(1, 9000) i;
		INSERT INTO visits SELECT i, i FROM generate_series(1, 500) i; INSERT INTO notes SELECT i, 'n' || i FROM generate_series(1, 50) i`)
	pgtest.Exec(t, s.direct, "INSERT INTO notes SELECT i, 'newer than the backup ' || i FROM generate_series(51, 80) i")
	was := s.content()
	lawful := s.run("DELETE FROM orders WHERE id > 2990")
	before := s.content()
	incident := s.run("BEGIN; DELETE FROM orders WHERE id <= 1500; DELETE FROM notes WHERE id > 40; COMMIT")
	gone := s.content()

	r := s.restore(0, incident)
	if r.Restored != 1500+4500+40 {
		t.Errorf("%+v", r)
	}
	s.is(before)
	var entry struct{ ID string }
	newest, _, _ := strings.Cut(s.rowback(0, "log", "--output", "json", "--kind", "restore"), "\n")
	if err := json.Unmarshal([]byte(newest), &entry); err != nil {
		t.Fatal(err)
	}
	s.rowback(0, "restore", "--undo", entry.ID, "--yes", "--production", s.direct)
	s.is(gone)
	s.restore(0, incident) // again
	s.is(before)

	// Around the proxy: on no record.
	pgtest.Exec(t, s.direct, "DELETE FROM orders WHERE id BETWEEN 2000 AND 2004")
	lost := filepath.Join(t.TempDir(), "lost.json")
	var found struct{ Lost, Recorded int64 }
	if err := json.Unmarshal([]byte(s.rowback(3, "diff", "--output", "json", "--production", s.direct, "--recovery", s.backup, "--out", lost)), &found); err != nil {
		t.Fatal(err)
	}
	if found.Lost != 5+15 || found.Recorded != 10+30 {
		t.Errorf("%+v", found)
	}
	if _, err := os.Stat(lost); err != nil {
		t.Fatal(err)
	}
	s.restore(0, "--from-diff", lost)
	s.is(before)
	s.restore(0, lawful)
	s.is(was)
}
