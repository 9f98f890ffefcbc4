package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/incident"
	"github.com/rowback/rowback/internal/pgtest"
)

// readmeText is the README, with one block of the language if there is to be one.
func readmeText(t *testing.T, language string) (text, block string) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if language != "" {
		found := blocks(string(b), language)
		if len(found) != 1 {
			t.Fatalf("%d blocks of %s, want 1", len(found), language)
		}
		block = found[0]
	}
	return string(b), block
}

// The README's roles are enough: one for a proxy's upstream, one that restores. On the
// recovery database it needs to read alone.
func TestReadme_RolesAreEnough(t *testing.T) {
	_, roles := readmeText(t, "sql")
	r := newReadme(t)
	c := r.cluster
	if c.Version() < 15 { // as it says there
		roles = regexp.MustCompile(`(?m)^.*PostgreSQL 15 or newer$`).ReplaceAllString(roles, "")
	}
	pgtest.Exec(t, c.URL(r.production), roles)
	t.Cleanup(func() {
		if c.Version() >= 15 {
			pgtest.Exec(t, c.URL(r.production), "REVOKE SET ON PARAMETER session_replication_role FROM restorer")
		}
		for _, database := range []string{r.production, r.recovery} {
			pgtest.Exec(t, c.URL(database), "DROP OWNED BY restorer")
		}
		pgtest.Exec(t, c.URL("postgres"), "DROP ROLE restorer", "DROP ROLE rowback")
	})
	pgtest.Exec(t, c.URL(r.recovery), "GRANT SELECT ON ALL TABLES IN SCHEMA public TO restorer")
	journal := filepath.Join(r.dir, "journal")
	r.proxy("rowback proxy --upstream " + c.UserURL("rowback", "", r.production) + " --listen 127.0.0.1:0 --journal " + journal + " --mode alert")
	out := run(t, r.shell("rowback restore $ID --journal "+journal+" --production "+c.UserURL("restorer", "", r.production)+" --recovery "+c.UserURL("restorer", "", r.recovery)+" --yes --output json"))
	if is, was := countOf(t, c.URL(r.production)), countOf(t, c.URL(r.recovery)); is != was {
		t.Errorf("%d rows are there, of %d\n%s", is, was, out)
	}
}

// countOf is how many rows the incident's tables have together.
func countOf(t *testing.T, url string) (n int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, table := range incident.Tables {
		var of int64
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&of); err != nil {
			t.Fatal(err)
		}
		n += of
	}
	return n
}

// The README's unit is one that systemd takes.
func TestReadme_UnitIsSystemds(t *testing.T) {
	_, unit := readmeText(t, "ini")
	section := ""
	settings := map[string]string{}
	for line := range strings.Lines(unit) {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		case ok && section != "" && value != "":
			settings[section+"."+name] = value
		default:
			t.Errorf("%q is no line of a unit", line)
		}
	}
	command := strings.Fields(settings["Service.ExecStart"])
	if len(command) < 2 || filepath.Base(command[0]) != "rowback" || settings["Service.Type"] != "notify" {
		t.Fatalf("%q", settings)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("not run to its end: systemd-analyze is not here; the unit was parsed, not verified")
	}
	path := filepath.Join(t.TempDir(), "rowback.service")
	unit = strings.Replace(unit, command[0], program(t), 1)
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput()
	for line := range strings.Lines(string(out)) { // of other units it tells too
		if strings.Contains(line, "rowback.service") {
			t.Error(line)
		}
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The README's way to a sample database, and its answer to a held statement by curl, as they stand.
func TestReadme_CommandsInTheTextRun(t *testing.T) {
	text, _ := readmeText(t, "")
	spans := func(begin string) string {
		t.Helper()
		m := regexp.MustCompile("`(" + begin + "[^`]*)`").FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("the README has no `%s …`", begin)
		}
		return m[1]
	}
	r := newReadme(t)
	c := r.cluster
	sample := r.shell(spans("createdb "))
	sample.Dir = "../.."
	sample.Env = append(sample.Env, "PGHOST=127.0.0.1", "PGUSER=postgres", "PGPORT="+strconv.Itoa(c.Port),
		"PATH="+filepath.Dir(c.Client(t, "createdb").Path)+":"+filepath.Dir(c.Client(t, "psql").Path)+":"+os.Getenv("PATH"))
	run(t, sample)
	pgtest.Exec(t, c.URL("rental"), "SELECT FROM customer")
	pgtest.Exec(t, c.URL("postgres"), "DROP DATABASE rental WITH (FORCE)")

	admin := freeAddr(t)
	r.write("token", strings.Repeat("t", 32))
	p, addr, err := startProxy(r.shell("exec rowback proxy --upstream " + c.URL(r.production) + " --listen 127.0.0.1:0 --journal journal --mode hold --threshold 1 --admin " + admin + " --admin-act-token token"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(p.Signal(syscall.SIGTERM), p.Wait()); err != nil {
			t.Error(err)
		}
	}()
	done := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), strings.Replace(c.URL(r.production), c.Addr(), addr, 1))
		if err == nil {
			_, err = conn.Exec(t.Context(), incident.MassDelete)
			err = errors.Join(err, conn.Close(context.Background()))
		}
		done <- err
	}()
	var id []byte
	eventually(t, "the statement waits", func() error {
		out, err := r.shell("rowback allow holds --journal journal --output json").Output()
		if m := regexp.MustCompile(`"id":\s*"([^"]+)"`).FindSubmatch(out); m != nil {
			id = m[1]
			return nil
		}
		return fmt.Errorf("%s, %v", out, err)
	})
	answer := r.shell(strings.NewReplacer("127.0.0.1:9432", admin, "/ID", "/"+string(id)).Replace(spans("curl ")))
	answer.Env = append(answer.Env, "TOKEN="+strings.Repeat("t", 32))
	if out := run(t, answer); strings.Contains(out, "error") {
		t.Error(out)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The README's rule that stops one user stops it at once, in an open session, and nobody else.
func TestReadme_RuleStopsAUser(t *testing.T) {
	text, _ := readmeText(t, "")
	rule := regexp.MustCompile("`(- {name: stop[^`]*)`").FindStringSubmatch(text)
	if rule == nil {
		t.Fatal("the README has no rule `- {name: stop …}`")
	}
	database := pgtest.Database(t, "CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items SELECT generate_series(1, 10); GRANT ALL ON items TO PUBLIC")
	server := pgtest.Shared(t).URL("postgres")
	pgtest.Exec(t, server, "CREATE ROLE batch LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, server, "DROP ROLE batch") })
	const others = "- {name: batches, users: [batch], threshold: 5}\n"
	r := newReloaded(t, "rules:\n"+others)
	app, batch := r.connect("postgres", database), r.connect("batch", database)
	if what := r.blocked(batch, 1); what != "" {
		t.Fatal(what)
	}
	r.reload("rules:\n"+rule[1]+"\n"+others, "configuration reloaded")
	if what := r.blocked(batch, 1); !strings.Contains(what, "stop") {
		t.Errorf("batch deletes on: %q", what)
	}
	if what := r.blocked(app, 1); what != "" {
		t.Errorf("another user is stopped: %s", what)
	}
}
