package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// With capture: rows a deletion comes back without any recovery database, to the
// bit, with rows that no backup ever had; encrypted, the journal shows nothing of
// them, and tells who has not the key what to do.
func TestImages_RestoreFromTheJournalAlone(t *testing.T) {
	const key = "ROWBACK_JOURNAL_KEY=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	s := newShopWith(t, "defaults:\n  capture: rows\n  exclude-columns: [people.pin]\n", []string{key},
		`CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE people (id int PRIMARY KEY, name text, pin text DEFAULT '0000', m mood[], f float8, j json);
		CREATE TABLE orders (id int PRIMARY KEY, person int NOT NULL REFERENCES people ON DELETE CASCADE, note text, UNIQUE (person, id));
		CREATE TABLE lines (person int, order_id int, no int, what text, FOREIGN KEY (person, order_id) REFERENCES orders (person, id) ON DELETE CASCADE, PRIMARY KEY (order_id, no));
		CREATE TABLE seen (person int REFERENCES people ON DELETE CASCADE, page text); CREATE TABLE big (id int PRIMARY KEY, v text);
		INSERT INTO people (id, name, m, f, j) SELECT i, 'A Rather Secret Name ' || i, '{ok,NULL}', (CASE i WHEN 1 THEN 'NaN' ELSE '-0' END)::float8, '{"b" : 1.00}' FROM generate_series(1, 50) i;
		INSERT INTO orders SELECT i, 1 + i % 50, 'note ' || i FROM generate_series(1, 400) i; INSERT INTO lines SELECT 1 + i % 50, i, j, 'thing' FROM generate_series(1, 400) i, generate_series(1, 3) j;
		INSERT INTO seen SELECT 1 + i % 50, '/page' FROM generate_series(1, 200) i; INSERT INTO big SELECT i, (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 40000) j) FROM generate_series(1, 5) i`)
	s.backup = "" // there is none
	was := s.content()
	deleted := s.run("SET DateStyle = 'German'; DELETE FROM people WHERE id <= 40")
	truncated := s.run("TRUNCATE big")
	if log := s.rowback(0, "log", deleted); !strings.Contains(log, "whole rows captured without pin") {
		t.Errorf("log:\n%s", log)
	}
	if out := s.rowback(0, "log", "--output", "json", "--keys", truncated); !strings.Contains(out, `"rows_captured":true`) || !strings.Contains(out, `{"id":5}`) {
		t.Errorf("%.400s", out)
	}
	for _, secret := range []string{"A Rather Secret", "Rather Secret Name", "c4ca4238a0b923820dcc"} {
		if file := fileWith(t, s.journal, secret); file != "" {
			t.Errorf("%q is in %s", secret, file)
		}
	}
	// Without the key, and with another.
	for env, want := range map[string]string{"": "no key is given", "ROWBACK_JOURNAL_KEY=" + strings.Repeat("ab", 32): "the key given is another one"} {
		other := *s
		other.env = []string{env}
		_, stderr, code := other.try("restore", deleted, "--yes", "--production", s.direct)
		if code != 2 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "--journal-key") {
			t.Errorf("%q: exit %d, %s", env, code, stderr)
		}
	}
	// By its file.
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(strings.TrimPrefix(key, "ROWBACK_JOURNAL_KEY=")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = nil
	if out := s.rowback(0, "journal", "verify"); !strings.Contains(out, "and 0 images were read") || !strings.Contains(out, "not read: the images of") {
		t.Errorf("without the key: %s", out)
	}
	if out := s.rowback(0, "journal", "verify", "--journal-key", file); strings.Contains(out, "and 0 images") || strings.Contains(out, "not read") {
		t.Errorf("with the key: %s", out)
	}
	if plan := s.rowback(0, "restore", deleted, "--dry-run", "--production", s.direct, "--journal-key", file); !strings.Contains(plan, "people: 40 rows from the images in the journal") {
		t.Errorf("plan:\n%s", plan)
	}
	r := s.restore(0, deleted, truncated, "--journal-key", file)
	if r.Restored != 40+320+960+160+5 {
		t.Errorf("%d restored", r.Restored)
	}
	s.is(was)
	if again := s.restore(0, deleted, truncated, "--journal-key", file); again.Restored != 0 {
		t.Errorf("%d restored again", again.Restored)
	}
}

// fileWith names a file below dir that has the text in it.
func fileWith(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Of a row that a transaction removed, made again and removed again, what there was
// before it comes back.
func TestImages_RowRemovedTwiceByATransaction(t *testing.T) {
	s := newShopWith(t, "defaults:\n  capture: rows\n", nil, `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')`)
	was := s.content()
	id := s.run("BEGIN", "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'wrong')", "DELETE FROM t", "COMMIT")
	s.backup = ""
	s.restore(0, id)
	s.is(was)
}

// A restore that was rehearsed on a copy is not taken for one of production's, by the next
// one nor by the log.
func TestImages_RehearsedOnACopy(t *testing.T) {
	s := newShopWith(t, "defaults:\n  capture: rows\n", nil, `CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')`)
	was := s.content()
	id := s.run("DELETE FROM t WHERE id < 3")
	name := s.name + "_staging"
	pgtest.Shared(t).CreateDatabase(t, name, s.name)
	t.Cleanup(func() { pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)") })
	s.backup = ""
	s.rowback(0, "restore", "--yes", "--production", pgtest.Shared(t).URL(name), id)
	if log := s.rowback(0, "log", id); !strings.Contains(log, "deletion, restored into "+name+", not "+s.name+"\n") {
		t.Error(log)
	}
	if r := s.restore(0, id); r.Restored != 2 {
		t.Errorf("%+v", r)
	}
	s.is(was)
	if log := s.rowback(0, "log", id); !strings.Contains(log, "deletion, restored\n") {
		t.Error(log)
	}
}
