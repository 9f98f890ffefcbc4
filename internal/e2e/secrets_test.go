package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

// What rows hold, and passwords, are in no log, metric or error of rowback's.
func TestSecrets_StayWhereTheyAre(t *testing.T) {
	const row, password = "value-of-a-row-5d1f", "word-that-passes-77c2"
	database := pgtest.Database(t, fmt.Sprintf(`CREATE TABLE p (id int PRIMARY KEY, secret text NOT NULL CHECK (secret <> 'never')); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p);
		INSERT INTO p SELECT i, '%s' FROM generate_series(1, 5000) i; INSERT INTO c VALUES (1, 4000);
		CREATE TABLE wide (secret text); INSERT INTO wide SELECT '%[1]s' FROM generate_series(1, 5);
		CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 77 THEN RAISE EXCEPTION 'broken'; END IF; RETURN OLD; END $$;
		CREATE TRIGGER breaks BEFORE DELETE ON p FOR EACH ROW EXECUTE FUNCTION breaks()`, row))
	dir, admin := t.TempDir(), freeAddr(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	upstream := fmt.Sprintf("postgres://postgres:%s@%s/postgres?sslmode=disable", password, pgtest.Shared(t).Addr())
	addr := freeAddr(t)
	cmd := exec.CommandContext(context.Background(), program(t), "proxy", "--listen", addr, "--upstream", upstream, "--journal", filepath.Join(dir, "journal"), "--admin", admin)
	cmd.Stderr = log
	p, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the proxy to be ready", func() error {
		status, _, err := fetch("http://" + admin + "/readyz")
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	var said []string
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
		config, err := pgx.ParseConfig(fmt.Sprintf("postgres://postgres:%s@%s/%s?sslmode=disable", password, addr, database))
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = mode
		c, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{"DELETE FROM p", "DELETE FROM p WHERE id = 77", "DELETE FROM p WHERE id BETWEEN 2000 AND 2010 RETURNING secret", "DELETE FROM p WHERE secret::int = 3", "DELETE FROM wide",
			"DELETE FROM p WHERE id = 4000", "TRUNCATE p CASCADE", "WITH d AS (DELETE FROM p WHERE id < 20 RETURNING secret) SELECT * FROM d", "DO $$ BEGIN DELETE FROM p; END $$", "DROP TABLE nope", "DELETE FROM p WHERE broken ("} {
			_, err := c.Exec(t.Context(), sql)
			// Here it is the server that speaks.
			if err != nil && !strings.Contains(err.Error(), "invalid input syntax") {
				said = append(said, sql+": "+err.Error())
			}
		}
		c.Close(t.Context())
	}
	_, metrics, err := fetch("http://" + admin + "/metrics")
	if err := errors.Join(err, p.Signal(syscall.SIGTERM), p.Wait()); err != nil {
		t.Fatal(err)
	}
	logged, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"the log": string(logged), "metrics": metrics, "errors": strings.Join(said, "\n")} {
		for _, secret := range []string{row, password} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %q:\n%s", where, secret, text)
			}
		}
	}
	if len(logged) == 0 || !strings.Contains(strings.Join(said, ""), "RB001") || !strings.Contains(metrics, "rowback_") {
		t.Errorf("little was said: %q, %q", logged, said)
	}
}
