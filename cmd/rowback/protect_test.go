package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestProtect_CommandLine(t *testing.T) {
	dir := inDirectory(t)
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	pgtest.Exec(t, c.URL("postgres"), "CREATE ROLE nobody_much LOGIN", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 50)",
		"CREATE TABLE lines (id int PRIMARY KEY, o int REFERENCES orders ON DELETE CASCADE)")
	env := map[string]string{"ROWBACK_PRODUCTION": c.URL("postgres"), "ROWBACK_JOURNAL": filepath.Join(dir, "journal"), "PGUSER": "postgres", "ROWBACK_THRESHOLD": "20"}
	stranger := strings.Replace(c.URL("postgres"), "postgres@", "nobody_much@", 1)
	for _, step := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"install"}, exitUsage, "", "name some with --table"},
		{[]string{"install", "--table", "orders", "--all"}, exitUsage, "", "not both"},
		{[]string{"install", "--table", "orders", "--mode", "hold"}, exitUsage, "", "--mode"},
		{[]string{"install", "--table", "orders", "--threshold", "0"}, exitUsage, "", "--threshold"},
		{[]string{"install", "--table", "orders", "--drops", "perhaps"}, exitUsage, "", "--drops"},
		{[]string{"install", "--table", "orders", "--proxy-role", "nobody"}, exitUsage, "", "no role nobody"},
		{[]string{"install", "--table", "nothing"}, exitUsage, "", "there is no table nothing"},
		{[]string{"install", "--table", "orders", "--production", "127.0.0.1:1"}, exitFailed, "", "cannot connect to the production database"},
		{[]string{"install", "--table", "orders", "--production", stranger}, exitRefused, "", "may not create schemas in database postgres; name one that may with --production"},
		{[]string{"remove"}, exitUsage, "", "remove what?"},
		{[]string{"remove", "--all", "--table", "orders"}, exitUsage, "", "not both"},
		{[]string{"status", "--table", "orders"}, exitProblems, "it has no triggers", "not everything is covered"},
		{[]string{"status"}, exitDone, "nothing is installed", ""},
		{[]string{"collect"}, exitDone, "0 new deletions", ""},
		{[]string{"remove", "--all"}, exitDone, "nothing to change", "nothing is installed"},
		{[]string{"install", "--table", "orders", "--dry-run"}, exitDone, "CREATE TRIGGER rowback_block AFTER DELETE ON \"public\".\"orders\"", ""},
		{[]string{"status"}, exitDone, "nothing is installed", ""},
		{[]string{"install", "--table", "orders"}, exitDone, "guarded  public.orders  block over 20 rows  asked for", ""},
		{[]string{"install", "--upstream", "127.0.0.1:1"}, exitDone, "nothing to change", "what comes through the proxy meets these limits"},
		{[]string{"install", "--upstream", "postgres://nobody@127.0.0.1:1"}, exitDone, "nothing to change", "there is no role nobody, which the proxy's upstream names"},
		{[]string{"install", "--upstream", "postgres://nobody_much@127.0.0.1:1", "--dry-run"}, exitDone, `GRANT USAGE ON SCHEMA rowback TO "nobody_much"`, "role nobody_much may read the secret"},
		{[]string{"install"}, exitDone, "nothing to change", ""},
		{[]string{"install", "--production", stranger}, exitRefused, "", "schema rowback belongs to role postgres"},
		{[]string{"status"}, exitDone, "follows public.orders", ""},
		{[]string{"status", "--production", stranger}, exitDone, "DROP is watched.", ""},
		{[]string{"remove", "--table", "lines"}, exitUsage, "", "--no-cascades"},
		{[]string{"remove", "--all", "--purge"}, exitDone, "released  public.orders", "the schema rowback is gone"},
		{[]string{"remove", "--all", "--purge"}, exitDone, "nothing to change", "nothing is installed"},
		{[]string{"status"}, exitDone, "nothing is installed", ""},
	} {
		r := runWith(t, env, append([]string{"protect"}, step.args...)...)
		if r.code != step.code || !strings.Contains(r.stdout, step.stdout) || !strings.Contains(r.stderr, step.stderr) {
			t.Errorf("%q: exit %d, want %d with %q and %q\n%s%s", step.args, r.code, step.code, step.stdout, step.stderr, r.stdout, r.stderr)
		}
	}
	runWith(t, env, "protect", "install", "--all").check(t, exitDone, "")
	pgtest.Exec(t, c.URL("postgres"), "DELETE FROM orders WHERE id <= 3", "ALTER TABLE orders DISABLE TRIGGER rowback_block")
	r := runWith(t, env, "protect", "status", "--output", "json")
	var status struct {
		Tables []struct {
			Table    string
			Disabled []string
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &status); err != nil || r.code != exitProblems || len(status.Tables) != 2 || len(status.Tables[1].Disabled) != 1 {
		t.Errorf("exit %d, %v: %s", r.code, err, r.stdout)
	}
	r = runWith(t, env, "protect", "collect", "--output", "json")
	if r.check(t, exitDone, ""); strings.TrimSpace(r.stdout) != `{"entries":1,"rows":3}` {
		t.Errorf("%q", r.stdout)
	}

	// A role that may not read what was recorded is told who may; and once the triggers
	// are off, that there are none.
	logged := func() string {
		t.Helper()
		r := runWith(t, env, "log", "--production", stranger)
		r.check(t, exitDone, "")
		return r.stderr
	}
	if said := logged(); !strings.Contains(said, "around the proxy may be missing") || !strings.HasSuffix(said, "rowback protect collect\n") {
		t.Error(said)
	}
	runWith(t, env, "protect", "remove", "--all").check(t, exitDone, "")
	if said := logged(); !strings.Contains(said, "no table has triggers any more") || !strings.Contains(said, "--all --purge") {
		t.Error(said)
	}
	if r := runWith(t, env, "protect", "status"); r.code != exitDone || !strings.Contains(r.stdout, "no table is guarded") {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
}
