package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestCheck_CommandLine(t *testing.T) {
	env, _, _ := restoreEnv(t)
	pgtest.Exec(t, env["ROWBACK_RECOVERY"], `CREATE TABLE items (id int PRIMARY KEY, o bigint);
		INSERT INTO items VALUES (1, 77); ALTER TABLE items ADD FOREIGN KEY (o) REFERENCES orders NOT VALID`)

	r := runWith(t, env, "check")
	r.check(t, exitDone, "")
	if !strings.Contains(r.stdout, "2 checks: 2 ok") {
		t.Errorf("%s", r.stdout)
	}
	for _, args := range [][]string{{"recovery"}, {env["ROWBACK_RECOVERY"], "--table", "items"}} {
		r = runWith(t, env, append([]string{"check", "--output", "json", "--junit", "out.xml"}, args...)...)
		r.check(t, exitProblems, "not all is well")
		var report struct {
			Results []struct {
				Kind, Status string
				Problems     int
				Rows         []struct{ O string }
			}
		}
		if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
			t.Fatalf("%v: %s", err, r.stdout)
		}
		if x := report.Results[0]; x.Kind != "foreign_key" || x.Status != "problem" || x.Problems != 1 || x.Rows[0].O != "77" {
			t.Errorf("%+v", report)
		}
		if text, err := os.ReadFile("out.xml"); err != nil || !strings.Contains(string(text), `failures="1"`) {
			t.Errorf("%v: %s", err, text)
		}
	}
	for text, c := range map[string]struct {
		code int
		says string
	}{
		"checks:\n- name: low\n  query: SELECT id FROM orders WHERE id < 6\n  limit: 1\n": {exitProblems, `"name":"low","status":"problem","problems":2`},
		"checks:\n- {name: none, query: SELECT id FROM orders WHERE id < 0}\n":            {exitDone, `"name":"none","status":"ok"`},
		"checks:\n- {name: x}\n":                                  {exitUsage, "rowback.yaml:2: a check needs a name and a query"},
		"checks:\n- {name: x, sql: SELECT 1}\n":                   {exitUsage, `rowback.yaml:2: unknown check "sql"`},
		"checks:\n- {name: x, query: a}\n- {name: x, query: b}\n": {exitUsage, "two checks of the name"},
		"checks:\n- {name: x, query: SELECT 1, limit: -1}\n":      {exitUsage, "limit must be"},
	} {
		if err := os.WriteFile("rowback.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := runWith(t, env, "check", "--output", "json")
		if r.check(t, c.code, ""); !strings.Contains(r.stdout+r.stderr, c.says) {
			t.Errorf("%s: no %q in %s%s", text, c.says, r.stdout, r.stderr)
		}
	}
	if err := os.Remove("rowback.yaml"); err != nil {
		t.Fatal(err)
	}
	runWith(t, env, "check", "--table", "nowhere").check(t, exitUsage, "nowhere does not exist")
	runWith(t, env, "check", "mysql://x").check(t, exitUsage, "not a postgres URL")
	runWith(t, env, "check", "127.0.0.1:1").check(t, exitFailed, "cannot connect")
	delete(env, "ROWBACK_RECOVERY")
	runWith(t, env, "check", "recovery").check(t, exitUsage, "--recovery")
}
