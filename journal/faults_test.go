package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openAt(t *testing.T, dir string, o Options) *embedded {
	t.Helper()
	j, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j.(*embedded)
}

func plainEntry() *Entry {
	now := time.Now()
	return &Entry{ID: NewID(now), Time: now, Kind: Deletion, Outcome: InDoubt, Tables: []Table{{Schema: "s", Name: "t"}}}
}

func count(t *testing.T, j Journal) int {
	t.Helper()
	n := 0
	for _, err := range j.Entries(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestOpen_Errors(t *testing.T) {
	for name, c := range map[string]struct {
		make func(dir string) error
		want error
		says string
	}{
		"not a database": {
			func(dir string) error {
				return os.WriteFile(filepath.Join(dir, fileName), []byte(strings.Repeat("hello ", 1000)), 0o600)
			}, ErrForeign, "move that file away",
		},
		"of another application": {
			func(dir string) error { return execIn(dir, "CREATE TABLE theirs (x)") }, ErrForeign, "another directory",
		},
		"of another application, marked": {
			func(dir string) error { return execIn(dir, "PRAGMA application_id = 7") }, ErrForeign, "another directory",
		},
		"newer": {
			func(dir string) error {
				return execIn(dir, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 99; CREATE TABLE entry (x)", applicationID))
			}, ErrNewer, "upgrade rowback",
		},
		"cut short": {
			func(dir string) error {
				if err := execIn(dir, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (zeroblob(50000))"); err != nil {
					return err
				}
				return os.Truncate(filepath.Join(dir, fileName), 20_000)
			}, ErrDamaged, "keep a copy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(filepath.Join(dir, fileName))
			_, err := Open(t.Context(), dir, Options{Proxy: "p"})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
			after, _ := os.ReadFile(filepath.Join(dir, fileName))
			if len(before) != len(after) {
				t.Error("the file was changed")
			}
			if _, err := Open(t.Context(), dir, Options{Proxy: "p"}); errors.Is(err, ErrInUse) {
				t.Error("a failed Open keeps the lock")
			}
		})
	}
}

func execIn(dir, text string) error {
	db, err := sql.Open("sqlite3", filepath.Join(dir, fileName))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(text)
	return err
}

func TestOpen_Location(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	if _, err := Open(t.Context(), missing, Options{MustExist: true}); !errors.Is(err, ErrNoJournal) {
		t.Errorf("missing: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("it was made")
	}
	if _, err := Open(t.Context(), "postgres://u:secret@h/db", Options{}); !errors.Is(err, ErrShared) || strings.Contains(err.Error(), "secret") {
		t.Errorf("postgres: %v", err)
	}
	for _, bad := range []string{"", file} {
		if _, err := Open(t.Context(), bad, Options{}); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
	odd := filepath.Join(dir, "a b", "50%?#x=1&y")
	openAt(t, odd, Options{})
	info, err := os.Stat(odd)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(odd, fileName)); err != nil {
		t.Error(err)
	}
}

func TestOpen_OneProxyOnly(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir, Options{Proxy: "p1"})
	if _, err := Open(t.Context(), dir, Options{Proxy: "p2"}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "p1") {
		t.Errorf("second proxy: %v", err)
	}
	tool := openAt(t, dir, Options{})
	if err := tool.Append(t.Context(), plainEntry(), nil); err != nil {
		t.Errorf("a tool beside the proxy: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, Options{Proxy: "p2"})
}

// Without these settings a commit does not wait for the disk.
func TestOpen_EveryCommitIsSynced(t *testing.T) {
	checkSynced(t, openAt(t, t.TempDir(), Options{}), 2)
}

// An outcome waits for no disk; the next entry does, and takes it along.
func TestSettle_NextAppendIsSynced(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	for range 2 {
		e := plainEntry()
		e.Outcome = InDoubt
		if err := j.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
		checkSynced(t, j, 2)
		if err := j.Settle(t.Context(), e.ID, Committed); err != nil {
			t.Fatal(err)
		}
		checkSynced(t, j, 1)
	}
	if err := j.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkSynced(t, j, 2)
}

// checkSynced looks at what the writer's last commit was done with.
func checkSynced(t *testing.T, j *embedded, want int) {
	t.Helper()
	s := j.store.Load()
	var mode string
	var synchronous int
	if err := s.write.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil {
		t.Fatal(err)
	}
	if err := s.write.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous); err != nil {
		t.Fatal(err)
	}
	if mode != "wal" || synchronous != want {
		t.Errorf("journal_mode %s, synchronous %d, want %d", mode, synchronous, want)
	}
}

// A journal at rest is its one file: it can be copied as it is.
func TestClose_LeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir, Options{})
	if err := j.Append(t.Context(), plainEntry(), nil); err != nil {
		t.Fatal(err)
	}
	if n := count(t, j); n != 1 {
		t.Fatalf("%d entries", n)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != fileName {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("permissions: %v, %v", info, err)
	}
}

func TestAppend_DiskFull(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	if err := j.Append(t.Context(), plainEntry(), nil); err != nil {
		t.Fatal(err)
	}
	limitPages(t, j, 1)
	k := NewKeys("")
	defer k.Close()
	for i := range 50_000 {
		if err := k.Add(Row{Values: []*string{text(fmt.Sprint(i * 7919))}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(t.Context(), plainEntry(), k); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("full: %v", err)
	}
	if n := count(t, j); n != 1 {
		t.Errorf("%d entries after the failure, want 1", n)
	}
	limitPages(t, j, 1<<30)
	if err := j.Append(t.Context(), plainEntry(), k); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if n := count(t, j); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

// What is written to a removed file is evidence of nothing.
func TestAppend_JournalRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := openAt(t, dir, Options{Proxy: "p1"})
	if err := j.Append(t.Context(), plainEntry(), nil); err != nil {
		t.Fatal(err)
	}
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), plainEntry(), nil); !errors.Is(err, ErrGone) {
		t.Errorf("moved away: %v", err)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), plainEntry(), nil); err != nil || count(t, j) != 2 {
		t.Errorf("moved back: %v, %d entries", err, count(t, j))
	}

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), plainEntry(), nil); !errors.Is(err, ErrGone) {
		t.Errorf("removed: %v", err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in the way of a directory
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), plainEntry(), nil); !errors.Is(err, ErrGone) {
		t.Errorf("a file in its place: %v", err)
	}
	if err := errors.Join(os.Remove(dir), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), plainEntry(), nil); err != nil || count(t, j) != 1 {
		t.Errorf("an empty directory: %v, %d entries", err, count(t, j))
	}
	if _, err := Open(t.Context(), dir, Options{Proxy: "p2"}); !errors.Is(err, ErrInUse) {
		t.Errorf("the new journal is not locked: %v", err)
	}
}

// While the disk is read-only what is in the journal can be read as before, and the error says
// what it is; then all goes on. So it does where opening again fails on the way.
func TestAppend_DiskIsReadOnlyForAWhile(t *testing.T) {
	dir, broken := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, fileName), []byte(strings.Repeat("hello ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	j := openAt(t, dir, Options{Proxy: "p1"})
	if err := j.Append(t.Context(), plainEntry(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := j.store.Load().write.ExecContext(t.Context(), "PRAGMA query_only = on"); err != nil { // SQLite says the same then
		t.Fatal(err)
	}
	j.dir = filepath.Join(broken, fileName) // no file can be made there
	for range 2 {
		if err := j.Append(t.Context(), plainEntry(), nil); err == nil || errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "cannot be written") {
			t.Errorf("read-only: %v", err)
		}
		if n := count(t, j); n != 1 {
			t.Errorf("%d entries, want 1", n)
		}
	}
	j.dir = broken
	for range 2 {
		if err := j.Ping(t.Context()); err == nil || errors.Is(err, ErrGone) {
			t.Errorf("opening fails: %v", err)
		}
		if _, err := Open(t.Context(), dir, Options{Proxy: "p2"}); !errors.Is(err, ErrInUse) {
			t.Errorf("it is locked no more: %v", err)
		}
	}
	j.dir = dir
	if err := j.Append(t.Context(), plainEntry(), nil); err != nil || count(t, j) != 2 {
		t.Errorf("again: %v, %d entries", err, count(t, j))
	}
	if _, err := Open(t.Context(), dir, Options{Proxy: "p2"}); !errors.Is(err, ErrInUse) {
		t.Errorf("it is locked no more: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, Options{Proxy: "p2"})
}
