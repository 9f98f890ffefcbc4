package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// reader opens the journal as one who may not write it.
func reader(t *testing.T, dir string) *embedded {
	t.Helper()
	s := &store{path: filepath.Join(dir, fileName), readOnly: true}
	if err := s.openReader(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	j := &embedded{dir: dir}
	j.store.Store(s)
	return j
}

func TestReader_BesideAWriterAndAlone(t *testing.T) {
	dir := t.TempDir()
	writer := openAt(t, dir, Options{Proxy: "p"})
	if err := writer.Append(t.Context(), plainEntry(), nil); err != nil {
		t.Fatal(err)
	}
	beside := reader(t, dir)
	if n := count(t, beside); n != 1 {
		t.Errorf("%d entries beside the writer", n)
	}
	if err := writer.Append(t.Context(), plainEntry(), nil); err != nil {
		t.Fatal(err)
	}
	if n := count(t, beside); n != 2 {
		t.Errorf("%d entries, the newest is not seen", n)
	}
	if err := beside.store.Load().close(); err != nil {
		t.Error(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	alone := reader(t, dir)
	if n := count(t, alone); n != 2 {
		t.Errorf("%d entries without a writer", n)
	}
	if after := names(t, dir); after != before {
		t.Errorf("%d files became %d", before, after)
	}
	if _, err := alone.commit([]*write{{}}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
}

func names(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
