package main

import (
	"path/filepath"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// Where no password was found that is said, and why the file that is named gave none.
func TestNoPasswordFound(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true, HBA: "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	inDirectory(t)
	file := filepath.Join(t.TempDir(), "pgpass")
	t.Setenv("PGPASSFILE", file)
	t.Setenv("PGPASSWORD", "")
	url := c.UserURL("rowback", "", "postgres")
	why := "no password was found for it (open " + file + ": no such file or directory)"
	runWith(t, nil, "check", url).check(t, exitFailed, "password authentication failed for user \"rowback\"; "+why+"; check its URL")
	r := runWith(t, map[string]string{"ROWBACK_UPSTREAM": url, "ROWBACK_ADMIN": "off"}, "doctor")
	r.check(t, exitProblems, "checks failed")
	checkHas(t, r.stdout, "→ "+why+": give one where PGPASSFILE says")
}
