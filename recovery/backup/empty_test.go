package backup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/recovery"
)

func TestRefuseWithoutRows(t *testing.T) {
	database := pgtest.Database(t, shop(t))
	dir := filepath.Dir(pgtest.Shared(t).Client(t, "pg_restore").Path)
	for _, format := range []string{"custom", "directory", "tar", "plain"} {
		if err := RefuseWithoutRows(t.Context(), dumped(t, database, "--format="+format), dir); err != nil {
			t.Errorf("%s, whole: %v", format, err)
		}
		var refusal *recovery.Refusal
		err := RefuseWithoutRows(t.Context(), dumped(t, database, "--format="+format, "--schema-only"), dir)
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "without --schema-only") {
			t.Errorf("%s, schema alone: %v", format, err)
		}
	}
	if err := RefuseWithoutRows(t.Context(), dumped(t, database, "--inserts"), dir); err != nil {
		t.Errorf("inserts: %v", err)
	}
}

func TestLoad_ADumpOfTheDataAlone(t *testing.T) {
	database := pgtest.Database(t, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
	for _, format := range []string{"custom", "plain"} {
		var refusal *recovery.Refusal
		_, err := loadIt(t, LoadOptions{Dump: dumped(t, database, "--format="+format, "--data-only")})
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "without --data-only") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// A receipt that cannot be kept is found before the load, not in the place of it.
func TestLoad_ReceiptsThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, receiptsFile), 0o700); err != nil {
		t.Fatal(err)
	}
	var refusal *recovery.Refusal
	path := filepath.Join(dir, "dump.sql")
	if err := os.WriteFile(path, []byte("nonsense;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadIt(t, LoadOptions{Dump: path, Receipts: dir}); !errors.As(err, &refusal) || !strings.Contains(err.Error(), receiptsFile) {
		t.Errorf("%v", err)
	}
}
