package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/incident"
	"github.com/rowback/rowback/internal/pgtest"
)

// The README's commands run in order, as they stand, on a small shop. Its host
// names stand for the test's servers; make's targets are checked to exist.
func TestReadme_EveryCommandRuns(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := newReadme(t)
	r.write("rowback.yaml", r.local(strings.Join(blocks(string(text), "yaml"), "")))
	t.Cleanup(func() { pgtest.Exec(t, r.cluster.URL("postgres"), "DROP DATABASE IF EXISTS shop_before") })
	commands := 0
	for _, block := range blocks(string(text), "sh") {
		for line := range strings.Lines(block) {
			r.command(strings.TrimSpace(line))
			commands++
		}
	}
	if commands < 8 {
		t.Errorf("only %d commands were found", commands)
	}
}

// blocks are the fenced blocks of a language.
func blocks(markdown, language string) (found []string) {
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(markdown, -1) {
		found = append(found, m[1])
	}
	return found
}

// readme is a small shop's production and recovery database, and a directory
// in which the README's commands run.
type readme struct {
	t                    *testing.T
	dir, listen          string
	production, recovery string // databases
	id                   string // of the incident's entry
	cluster              *pgtest.Cluster
}

func newReadme(t *testing.T) *readme {
	t.Helper()
	r := &readme{t: t, dir: t.TempDir(), listen: "127.0.0.1:0", cluster: pgtest.Shared(t), production: pgtest.Database(t), recovery: pgtest.Database(t)}
	for _, database := range []string{r.production, r.recovery} {
		conn, err := pgx.Connect(t.Context(), r.cluster.URL(database))
		if err != nil {
			t.Fatal(err)
		}
		if err := incident.Load(t.Context(), conn, incident.Small); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// local puts this test's servers and directories in the place of the README's.
func (r *readme) local(text string) string {
	return strings.NewReplacer(
		"postgres://postgres@recovery.internal:5432/shop_before", r.cluster.URL("shop_before"),
		"postgres://postgres@db.internal:5432/shop", r.cluster.URL(r.production),
		"postgres://postgres@recovery.internal:5432/shop", r.cluster.URL(r.recovery),
		"db.internal:5432", r.cluster.Addr(),
		"recovery.internal:5432", r.cluster.Addr(),
		"127.0.0.1:6432", r.listen,
		"/var/lib/rowback", filepath.Join(r.dir, "journal"),
	).Replace(text)
}

func (r *readme) write(name, text string) {
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *readme) command(line string) {
	r.t.Helper()
	switch {
	case strings.HasPrefix(line, "make "):
		run(r.t, exec.CommandContext(r.t.Context(), "make", "-C", "../..", "-n", strings.TrimPrefix(line, "make ")))
	case strings.HasPrefix(line, "rowback proxy "):
		r.proxy(line)
	default:
		r.t.Log(line)
		r.t.Log(run(r.t, r.shell(line)))
	}
}

// proxy runs the proxy for the rest of the test, and through it the incident.
func (r *readme) proxy(line string) {
	r.t.Helper()
	p, addr, err := startProxy(r.shell("exec " + line + " --admin off"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := p.Signal(syscall.SIGTERM); err != nil {
			r.t.Error(err)
		}
		if err := p.Wait(); err != nil {
			r.t.Error(err)
		}
	})
	conn, err := pgx.Connect(r.t.Context(), strings.Replace(r.cluster.URL(r.production), r.cluster.Addr(), addr, 1))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := conn.Exec(r.t.Context(), incident.MassDelete); err != nil {
		r.t.Fatal(err)
	}
	if err := conn.Close(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	out := run(r.t, r.shell(r.local("rowback log --journal /var/lib/rowback --output json")))
	m := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(out)
	if m == nil {
		r.t.Fatalf("no entry after the incident: %s", out)
	}
	r.id = m[1]
}

func (r *readme) shell(line string) *exec.Cmd {
	// The proxy ends by the signal it gets after the test, not by the test's context.
	cmd := exec.CommandContext(context.Background(), "sh", "-c", r.local(line))
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program(r.t))+":"+os.Getenv("PATH"), "ID="+r.id)
	return cmd
}
