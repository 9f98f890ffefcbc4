package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
)

// shop is a production database behind a proxy in alert mode, and its backup.
type shop struct {
	t                          *testing.T
	name                       string
	production, backup, direct string   // URLs; direct is production's without the proxy
	journal                    string   // directory, or the URL of a shared one
	env                        []string // of every rowback, beside the test's own
}

// newShop fills a database with sql and puts a proxy in front of it.
func newShop(t *testing.T, sql ...string) *shop {
	t.Helper()
	return newShopWith(t, "", nil, sql...)
}

// newShopWith has a configuration file for the proxy, and an environment.
func newShopWith(t *testing.T, config string, env []string, sql ...string) *shop {
	t.Helper()
	return newShopOn(t, filepath.Join(t.TempDir(), "journal"), config, env, sql...)
}

// newShopOn has its journal there, too.
func newShopOn(t *testing.T, journal, config string, env []string, sql ...string) *shop {
	t.Helper()
	s := &shop{t: t, name: pgtest.Database(t, sql...), journal: journal, env: env}
	s.direct = pgtest.Shared(t).URL(s.name)
	cmd := exec.CommandContext(context.Background(), program(t), "proxy", "--listen", "127.0.0.1:0", "--upstream", pgtest.Shared(t).URL("postgres"),
		"--journal", s.journal, "--mode", "alert", "--admin", "off")
	cmd.Env = append(os.Environ(), env...)
	if config != "" {
		file := filepath.Join(t.TempDir(), "rowback.yaml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Args = append(cmd.Args, "--config", file)
	}
	p, addr, err := startProxy(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Signal(syscall.SIGTERM), p.Wait()); err != nil {
			t.Error(err)
		}
	})
	s.production = fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, s.name)
	return s.copy()
}

// copy makes the backup: production as it is now.
func (s *shop) copy() *shop {
	s.t.Helper()
	postgres, name := pgtest.Shared(s.t).URL("postgres"), s.name+"_backup"
	pgtest.Shared(s.t).CreateDatabase(s.t, name, s.name)
	s.t.Cleanup(func() { pgtest.Exec(s.t, postgres, "DROP DATABASE "+name+" WITH (FORCE)") })
	s.backup = pgtest.Shared(s.t).URL(name)
	return s
}

// run runs SQL through the proxy and returns the newest deletion's ID.
func (s *shop) run(sql ...string) string {
	s.t.Helper()
	pgtest.Exec(s.t, s.production, sql...)
	out := s.rowback(0, "log", "--output", "json", "--kind", "deletion")
	line, _, _ := strings.Cut(out, "\n")
	var e struct{ ID string }
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		s.t.Fatalf("%v: %q", err, out)
	}
	return e.ID
}

// rowback runs the program, which must end with the exit code, and returns its
// standard output.
func (s *shop) rowback(code int, args ...string) string {
	s.t.Helper()
	out, stderr, got := s.try(args...)
	if got != code {
		s.t.Fatalf("rowback %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, stderr)
	}
	return out
}

func (s *shop) try(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var o, e bytes.Buffer
	cmd := exec.CommandContext(context.Background(), program(s.t), append(args, "--journal", s.journal)...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.t.TempDir(), &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// report of a restore.
type report struct {
	Restored   int64
	Unrestored []struct {
		Table, Reason string
		Key           map[string]any
	}
	Warnings []string
	Checks   []struct {
		Name, Detail string
		OK           bool
	}
}

// restore runs rowback restore, which must end with the exit code.
func (s *shop) restore(code int, args ...string) report {
	s.t.Helper()
	args = append([]string{"restore", "--yes", "--output", "json", "--production", s.direct}, args...)
	if s.backup != "" {
		args = append(args, "--recovery", s.backup)
	}
	out := s.rowback(code, args...)
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil && code != 2 {
		s.t.Fatalf("%v: %q", err, out)
	}
	return r
}

// content is every row of every table of production, as text.
func (s *shop) content() map[string]bool {
	s.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.direct)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows := func(sql string) []string {
		r, err := conn.Query(ctx, sql)
		if err != nil {
			s.t.Fatal(err)
		}
		out, err := pgx.CollectRows(r, pgx.RowTo[string])
		if err != nil {
			s.t.Fatal(err)
		}
		return out
	}
	all := map[string]bool{}
	for _, table := range rows(`SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'`) {
		for _, row := range rows("SELECT (x.*)::text FROM " + table + " x") {
			all[table+row] = true
		}
	}
	return all
}

// differ names the rows that are in one content only.
func differ(got, want map[string]bool) (out []string) {
	for r := range want {
		if !got[r] {
			out = append(out, "missing "+r)
		}
	}
	for r := range got {
		if !want[r] {
			out = append(out, "not expected "+r)
		}
	}
	return out
}

// is fails the test unless production holds just these rows.
func (s *shop) is(want map[string]bool) {
	s.t.Helper()
	if d := differ(s.content(), want); len(d) > 0 {
		s.t.Errorf("%d rows differ: %.800q", len(d), d)
	}
}
