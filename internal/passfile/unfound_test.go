package passfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestUnfound(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true, HBA: "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv("PGPASSWORD", "")
	refused := func(user, password string) error {
		conn, err := pgconn.Connect(t.Context(), c.UserURL(user, password, "postgres"))
		if err == nil {
			t.Fatal(conn.Close(t.Context()), "it was let in")
		}
		return err
	}
	file := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(file, []byte("other:*:*:*:x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", file)
	if got := Unfound(refused("nobody_at_all", "")); got != "no password was found for it" {
		t.Errorf("none in the file: %q", got)
	}
	if got := Unfound(refused("nobody_at_all", "wrong")); got != "" {
		t.Errorf("a wrong one: %q", got)
	}
	missing := file + ".none"
	t.Setenv("PGPASSFILE", missing)
	if got := Unfound(refused("nobody_at_all", "")); got != "no password was found for it (open "+missing+": no such file or directory)" {
		t.Errorf("no file: %q", got)
	}
	if got := Unfound(os.ErrNotExist); got != "" {
		t.Errorf("another error: %q", got)
	}
}
