package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func lockOf(t *testing.T, j Journal) *os.File {
	t.Helper()
	lock, err := j.(Locked).Lock()
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// Two proxies of one lock both write, and a third is kept out until both are gone.
func TestOpen_SuccessorSharesTheLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	old := openAt(t, dir, Options{Proxy: "p1"})
	fresh := openAt(t, dir, Options{Proxy: "p2", Lock: lockOf(t, old)})
	for _, j := range []Journal{old, fresh} {
		if err := j.Append(t.Context(), plainEntry(), nil); err != nil {
			t.Error(err)
		}
	}
	for _, j := range []Journal{old, fresh} {
		if _, err := Open(t.Context(), dir, Options{Proxy: "p3"}); !errors.Is(err, ErrInUse) {
			t.Errorf("a third proxy: %v", err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	openAt(t, dir, Options{Proxy: "p3"})
}

// The lock of one journal opens no other, nor one that another proxy has.
func TestOpen_LockOfAnotherJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	old := openAt(t, dir, Options{Proxy: "p1"})
	elsewhere := filepath.Join(t.TempDir(), "journal")
	j := openAt(t, elsewhere, Options{Proxy: "p2", Lock: lockOf(t, old)})
	if _, err := Open(t.Context(), elsewhere, Options{Proxy: "p3"}); !errors.Is(err, ErrInUse) {
		t.Errorf("it is not locked: %v", err)
	}
	if _, err := Open(t.Context(), dir, Options{Proxy: "p3", Lock: lockOf(t, j)}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened by the wrong lock: %v", err)
	}
	name, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{Proxy: "p3", Lock: name}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened by a file that is not locked: %v", err)
	}
}

// Whose journal it is says who may lock it.
func TestLock_OfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	err := lockError(dir, &fs.PathError{Op: "open", Path: filepath.Join(dir, lockName), Err: fs.ErrPermission})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "run as the user that owns "+dir) {
		t.Error(err)
	}
}
