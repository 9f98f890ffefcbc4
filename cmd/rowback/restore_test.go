package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// restoreEnv is an environment with a production database that lost orders 1
// to 3, its recovery database, and the journal entry of the loss.
func restoreEnv(t *testing.T) (env map[string]string, production *pgx.Conn, id string) {
	t.Helper()
	dir := filepath.Join(inDirectory(t), "journal")
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	pgtest.Exec(t, c.URL("postgres"), "CREATE DATABASE shop", "CREATE ROLE nobody_much LOGIN")
	pgtest.Exec(t, c.URL("shop"), "CREATE TABLE orders (id bigint PRIMARY KEY, code text UNIQUE); INSERT INTO orders SELECT i, 'o' || i FROM generate_series(1, 9) i")
	pgtest.Exec(t, c.URL("postgres"), "CREATE DATABASE shop_recovery TEMPLATE shop")
	pgtest.Exec(t, c.URL("shop"), "DELETE FROM orders WHERE id < 4")
	if production, err = pgx.Connect(t.Context(), c.URL("shop")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { production.Close(t.Context()) })

	j, err := journal.Open(t.Context(), dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed, Database: "shop", User: "app", Rows: 3,
		Tables: []journal.Table{{Schema: "public", Name: "orders", Rows: 3, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "bigint"}}}}}
	keys := journal.NewKeys("")
	defer keys.Close()
	for _, k := range []string{"1", "2", "3"} {
		if err := keys.Add(journal.Row{Values: []*string{&k}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(t.Context(), e, keys); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"ROWBACK_JOURNAL": dir, "ROWBACK_PRODUCTION": c.URL("shop"), "ROWBACK_RECOVERY": c.URL("shop_recovery"), "PGUSER": "postgres"}, production, e.ID
}

func orders(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRestore_CommandLine(t *testing.T) {
	env, production, id := restoreEnv(t)
	with := func(name, value string) map[string]string {
		out := map[string]string{name: value}
		for k, v := range env {
			if k != name {
				out[k] = v
			}
		}
		return out
	}
	as := strings.Replace(env["ROWBACK_PRODUCTION"], "postgres@", "nobody_much@", 1)
	for _, c := range []struct {
		name   string
		env    map[string]string
		args   []string
		code   int
		stderr string
	}{
		{"nothing said", env, []string{"--yes"}, exitUsage, "restore what?"},
		{"IDs and a filter", env, []string{id, "--since", "1h", "--yes"}, exitUsage, "not both"},
		{"keys of no table", env, []string{"--keys", "f", "--yes"}, exitUsage, "--keys needs --table"},
		{"unknown ID", env, []string{"NOSUCH", "--yes"}, exitUsage, "no such journal entry"},
		{"no terminal, no --yes", env, []string{id}, exitRefused, "give --yes"},
		{"no recovery database", with("ROWBACK_RECOVERY", ""), []string{id, "--yes"}, exitUsage, "--recovery"},
		{"no production", with("ROWBACK_PRODUCTION", ""), []string{id, "--yes"}, exitFailed, "production is the default, 127.0.0.1:5432"},
		{"production itself", with("ROWBACK_RECOVERY", env["ROWBACK_PRODUCTION"]), []string{id, "--yes"}, exitUsage, "production database itself"},
		{"another schema", with("ROWBACK_RECOVERY", strings.Replace(env["ROWBACK_RECOVERY"], "shop_recovery", "postgres", 1)), []string{id, "--yes"}, exitUsage, "public.orders does not exist"},
		{"nobody there", with("ROWBACK_RECOVERY", "127.0.0.1:1"), []string{id, "--yes"}, exitFailed, "cannot connect to the recovery database"},
		{"no privileges", with("ROWBACK_PRODUCTION", as), []string{id, "--yes"}, exitRefused, "GRANT SELECT, INSERT ON public.orders TO nobody_much;"},
		{"no match", env, []string{"--user", "alice", "--yes"}, exitUsage, "no committed deletion"},
		{"dry run", env, []string{id, "--dry-run"}, exitDone, ""},
	} {
		r := runWith(t, c.env, append([]string{"restore"}, c.args...)...)
		if t.Log(c.name); r.code != c.code || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("exit %d, stderr %q; want exit %d and %q", r.code, r.stderr, c.code, c.stderr)
		}
		if n := orders(t, production); n != 6 {
			t.Fatalf("it wrote: %d orders", n)
		}
	}

	// One unique value is taken since: done, with a row listed.
	if _, err := production.Exec(t.Context(), "INSERT INTO orders VALUES (50, 'o2')"); err != nil {
		t.Fatal(err)
	}
	r := runWith(t, env, "restore", id[:len(id)-1], "--yes", "--output", "json")
	r.check(t, exitProblems, "listed in the report")
	var report struct {
		IDs        []string
		Restored   int
		Unrestored []struct {
			Table  string
			Key    map[string]int
			Reason string
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	if report.Restored != 2 || len(report.Unrestored) != 1 || report.Unrestored[0].Key["id"] != 2 || report.IDs[0] != id || orders(t, production) != 9 {
		t.Errorf("%+v, %d orders", report, orders(t, production))
	}
	runWith(t, env, "log", "--kind", "restore").check(t, exitDone, "")

	if _, err := production.Exec(t.Context(), "DELETE FROM orders WHERE id = 50"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("keys.csv", []byte("id\n2\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = runWith(t, env, "restore", "--table", "orders", "--keys", "keys.csv", "--yes")
	r.check(t, exitDone, "")
	if !strings.Contains(r.stdout, "1 row restored") || orders(t, production) != 9 {
		t.Errorf("%s", r.stdout)
	}
	runWith(t, env, "restore", "--since", "1h", "--yes").check(t, exitDone, "")
}

func TestConnString(t *testing.T) {
	for server, want := range map[string]string{
		"":                        "",
		"db:5432":                 "host=db port=5432",
		"a:1,[::1]:2":             "host=a,::1 port=1,2",
		"/run/postgresql":         "host='/run/postgresql'",
		"postgres://u@h/d":        "postgres://u@h/d",
		"host=h dbname=d user=me": "host=h dbname=d user=me",

		"postgres://u@a,b/d?load_balance_hosts=random&sslmode=disable": "postgres://u@a,b/d?sslmode=disable",
		"host=a,b load_balance_hosts = 'random' user=me":               "host=a,b  user=me",
	} {
		if got := connString(server); got != want {
			t.Errorf("%q: %q, want %q", server, got, want)
		}
	}
}
