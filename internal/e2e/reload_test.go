package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

// reloaded is a proxy whose configuration a test changes.
type reloaded struct {
	t     *testing.T
	file  string
	proxy *child.Process
	lines chan string // of its log; closed at its end
	addr  string
}

func newReloaded(t *testing.T, config string, flags ...string) *reloaded {
	t.Helper()
	r := startReloaded(t, config, append(flags, "--journal", filepath.Join(t.TempDir(), "journal"))...)
	_, r.addr, _ = strings.Cut(r.until("listening on "), "listening on ")
	return r
}

// startReloaded is newReloaded, but for the journal, and does not wait until it listens.
func startReloaded(t *testing.T, config string, flags ...string) *reloaded {
	t.Helper()
	dir := t.TempDir()
	r := &reloaded{t: t, file: filepath.Join(dir, "rowback.yaml"), lines: make(chan string, 100)}
	r.write(config)
	cmd := exec.CommandContext(context.Background(), program(t), append([]string{"proxy", "--config", r.file, "--listen", "127.0.0.1:0",
		"--upstream", pgtest.Shared(t).Addr(), "--admin", "off"}, flags...)...)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = in
	if r.proxy, err = child.Start(cmd, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	in.Close()
	go func() {
		defer out.Close()
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		if err := errors.Join(r.proxy.Signal(syscall.SIGTERM), r.proxy.Wait()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *reloaded) write(config string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(config), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// until returns the next line of the log that has the text in it.
func (r *reloaded) until(text string) string {
	r.t.Helper()
	patience := time.After(time.Minute)
	var said []string
	for {
		select {
		case line, ok := <-r.lines:
			if ok && strings.Contains(line, text) {
				return line
			}
			if said = append(said, line); !ok {
				r.t.Fatalf("the proxy ended:\n%s", strings.Join(said, "\n"))
			}
		case <-patience:
			r.t.Fatalf("%q is not in the log:\n%s", text, strings.Join(said, "\n"))
		}
	}
}

// reload gives the proxy another file, and waits for its word about it.
func (r *reloaded) reload(config, word string) string {
	r.t.Helper()
	r.write(config)
	if err := r.proxy.Signal(syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
	return r.until(word)
}

func (r *reloaded) connect(user, database string) *pgx.Conn {
	r.t.Helper()
	c, err := pgx.Connect(r.t.Context(), fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user, r.addr, database))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// blocked reports whether a DELETE of so many rows is refused, and by which
// words. Each user deletes at an end of its own: they do not wait for each other.
func (r *reloaded) blocked(c *pgx.Conn, rows int) string {
	r.t.Helper()
	order := "id"
	if c.Config().User == "batch" {
		order = "id DESC"
	}
	_, err := c.Exec(r.t.Context(), fmt.Sprintf("DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY %s LIMIT %d)", order, rows))
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "RB001" {
		return e.Message
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return ""
}

// A running proxy takes new rules over from a good file, in open sessions and
// transactions too, and nothing at all from a bad one.
func TestReload(t *testing.T) {
	database := pgtest.Database(t, "CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items SELECT generate_series(1, 1000); GRANT ALL ON items TO PUBLIC")
	server := pgtest.Shared(t).URL("postgres")
	pgtest.Exec(t, server, "CREATE ROLE batch LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, server, "DROP ROLE batch") })
	told := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		told <- string(body)
	}))
	defer receiver.Close()
	r := newReloaded(t, "threshold: 5\n")
	app, batch := r.connect("postgres", database), r.connect("batch", database)
	ctx := t.Context()
	if what := r.blocked(app, 6); what == "" {
		t.Fatal("6 rows are let through")
	}
	tx, err := app.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if what := r.blocked(app, 5); what != "" {
		t.Fatal(what)
	}

	r.reload("threshold: 5\nrules:\n- {name: batches, users: [batch], threshold: 20}\ndefaults: {limits: {statement: 5}}\n", "configuration not reloaded")
	line := r.reload("threshold: 50\nrules:\n- {name: batches, user: [batch]}\n", "configuration not reloaded")
	if !strings.Contains(line, "rowback.yaml:3") || !strings.Contains(line, "did you mean") {
		t.Errorf("it does not say what is wrong: %s", line)
	}
	for _, empty := range []string{"", "# threshold: 5\n"} {
		if line := r.reload(empty, "configuration"); !strings.Contains(line, "not reloaded") || !strings.Contains(line, "is empty") {
			t.Errorf("an empty file: %s", line)
		}
	}
	if what := r.blocked(batch, 6); what == "" {
		t.Error("a bad file was taken over")
	}

	r.reload("threshold: 10\nrules:\n- {name: batches, users: [batch], threshold: 20}\nlisten: 127.0.0.1:1\nalerts: [{webhook: \""+receiver.URL+"\"}]\n", "configuration reloaded")
	r.until("rule batches (user batch)")
	if what := r.blocked(app, 5); what != "" { // 10 in this transaction, which was open all the while
		t.Errorf("the old limit holds in an open transaction: %s", what)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if what := r.blocked(app, 11); !strings.Contains(what, "limit 10") {
		t.Errorf("11 rows by postgres: %q", what)
	}
	select {
	case body := <-told:
		if !strings.Contains(body, database) {
			t.Errorf("people are told %s", body)
		}
	case <-time.After(time.Minute):
		t.Error("nobody is told")
	}
	if what := r.blocked(batch, 20); what != "" {
		t.Errorf("20 rows by batch: %s", what)
	}
	if what := r.blocked(batch, 21); !strings.Contains(what, "limit 20") || !strings.Contains(what, "batches") {
		t.Errorf("21 rows by batch: %q", what)
	}
	r.reload("threshold: 10\n", "gone=\"alerts, listen, rules, rule batches\"")
	r.until("configuration reloaded")
	if line := r.reload("threshold: 11\n", "configuration"); !strings.Contains(line, "configuration reloaded") {
		t.Errorf("said again: %s", line)
	}
	var left int
	if err := app.QueryRow(ctx, "SELECT count(*) FROM items").Scan(&left); err != nil || left != 1000-10-20 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}

// What the file says about restores is read by who restores: the proxy tells of what is wrong with it.
func TestReload_RestoreThatCannotBeRead(t *testing.T) {
	r := newReloaded(t, "restore: {tables: {}}\n")
	line := r.reload("restore: {table: {}}\n", "restores are refused")
	if !strings.Contains(line, "rowback.yaml:1") || !strings.Contains(line, "did you mean") {
		t.Error(line)
	}
}

// SIGHUP to a proxy that is still starting waits until it has.
func TestReload_WhileItStarts(t *testing.T) {
	journal, err := net.Listen("tcp", "127.0.0.1:0") // takes the connection, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	r := startReloaded(t, "threshold: 5\n", "--journal", "postgres://rowback@"+journal.Addr().String()+"/rowback?sslmode=disable")
	opening, err := journal.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r.write("threshold: 6\n")
	if err := errors.Join(r.proxy.Signal(syscall.SIGHUP), opening.Close(), journal.Close()); err != nil {
		t.Fatal(err)
	}
	r.until("listening on ")
	if line := r.until("configuration reloaded"); !strings.Contains(line, "threshold=6") {
		t.Error(line)
	}
}
