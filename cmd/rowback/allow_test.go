package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// journalEnv is an environment that names an empty journal, which stays open
// as a proxy's would.
func journalEnv(t *testing.T) (map[string]string, journal.Journal) {
	t.Helper()
	dir := filepath.Join(inDirectory(t), "journal")
	j, err := journal.Open(t.Context(), dir, journal.Options{Proxy: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return map[string]string{"ROWBACK_JOURNAL": dir}, j
}

func allowances(t *testing.T, j journal.Journal) []journal.Allowance {
	t.Helper()
	all, err := j.Allowances(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// giveAllowance grants one of 100 rows an hour ago, for two; change may alter it.
func giveAllowance(t *testing.T, j journal.Journal, change func(*journal.Allowance)) *journal.Allowance {
	t.Helper()
	now := time.Now().UTC()
	a := &journal.Allowance{ID: journal.NewID(now), Time: now.Add(-time.Hour), Expires: now.Add(time.Hour), Rows: 100, By: "ops", Uses: []journal.Use{}}
	if change != nil {
		change(a)
	}
	if err := j.Grant(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func checkHas(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("lacks %q:\n%s", part, text)
		}
	}
}

func TestAllow_Grants(t *testing.T) {
	env, j := journalEnv(t)
	r := runWith(t, env, "allow", "--rows", "60000", "--table", "orders", "--table", `app."Old Orders"`, "--table", "orders", "--user", "app",
		"--database", "shop", "--application", "x", "--for", "2h", "--once", "--reason", "GDPR batch 7", "--by", "alice")
	r.check(t, exitDone, "")
	all := allowances(t, j)
	if len(all) != 1 {
		t.Fatalf("%d allowances", len(all))
	}
	a := all[0]
	want := journal.Allowance{ID: a.ID, Time: a.Time, Expires: a.Time.Add(2 * time.Hour), Rows: 60000, Once: true, Database: "shop", User: "app",
		Application: "x", Tables: []string{"orders", "app.Old Orders"}, Reason: "GDPR batch 7", By: "alice", Uses: []journal.Use{}}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("granted %+v\nwant %+v", a, want)
	}
	if a.Left(time.Now()) != 60000 {
		t.Error("it is not for now")
	}
	checkHas(t, r.stdout, a.ID, "60000 rows, in one transaction", "orders, app.Old Orders; user app; database shop; application x",
		a.Expires.Format(time.RFC3339)+" (2h)", "alice", "GDPR batch 7")
}

// It says which tables an allowance names in vain, where production can be asked, and is granted all the same.
func TestAllow_TablesThatAreNone(t *testing.T) {
	env, j := journalEnv(t)
	env["ROWBACK_PRODUCTION"] = pgtest.Shared(t).URL(pgtest.Database(t, `CREATE TABLE orders (id int); CREATE TABLE ev (id int) PARTITION BY LIST (id);
		CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1)`))
	for i, c := range []struct {
		tables []string
		says   []string
	}{
		{[]string{"orders"}, nil},
		{[]string{"public.ord*", "ev"}, nil},
		{[]string{"orders", "nope"}, []string{" is called nope; for that the allowance is of no use"}},
		{[]string{"ev_1"}, []string{"ev_1 is a partition in ", "count as those of public.ev;"}},
	} {
		args := []string{"allow", "--rows", "5"}
		for _, table := range c.tables {
			args = append(args, "--table", table)
		}
		r := runWith(t, env, args...)
		r.check(t, exitDone, "")
		if checkHas(t, r.stderr, c.says...); len(c.says) == 0 && r.stderr != "" {
			t.Errorf("%v: %s", c.tables, r.stderr)
		}
		if n := len(allowances(t, j)); n != i+1 {
			t.Errorf("%v: %d allowances", c.tables, n)
		}
	}
	env["ROWBACK_PRODUCTION"] = "postgres://u:SECRET@127.0.0.1:1/db"
	r := runWith(t, env, "allow", "--rows", "5", "--table", "orders")
	r.check(t, exitDone, "could not be asked")
	if strings.Contains(r.stderr, "SECRET") {
		t.Error(r.stderr)
	}
}

func TestAllow_Defaults(t *testing.T) {
	env, j := journalEnv(t)
	r := runWith(t, env, "allow", "--rows", "1", "--output", "json")
	r.check(t, exitDone, "")
	a := allowances(t, j)[0]
	if a.Expires.Sub(a.Time) != 10*time.Minute || a.Once || len(a.Tables) > 0 || a.User+a.Database+a.Application+a.Reason != "" {
		t.Errorf("granted %+v", a)
	}
	if me, err := user.Current(); err != nil || a.By != me.Username {
		t.Errorf("by %q, want %q (%v)", a.By, me.Username, err)
	}
	var printed struct {
		journal.Allowance
		State string
		Left  int64
	}
	if err := json.Unmarshal([]byte(r.stdout), &printed); err != nil || strings.Count(r.stdout, "\n") != 1 {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	if !reflect.DeepEqual(printed.Allowance, a) || printed.State != "live" || printed.Left != 1 {
		t.Errorf("printed %s, granted %+v", r.stdout, a)
	}
	checkHas(t, runWith(t, env, "allow", "--rows", "1").stdout, "any table; any session", "1 row\n")
}

func TestAllow_ErrorsGrantNothing(t *testing.T) {
	env, j := journalEnv(t)
	for _, c := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"", exitUsage, "Give --rows to grant an allowance, or the ID of a held statement"},
		{"--table orders", exitUsage, "Give --rows"},
		{"--rows -1", exitUsage, "--rows: -1 is below zero"},
		{"--rows many", exitUsage, `--rows: "many" is not a whole number`},
		{"--rows 1 --for soon", exitUsage, `--for: "soon" is not a length of time such as 10m, 2h or 1d`},
		{"--rows 1 --for 0s", exitUsage, "--for must be above zero"},
		{"--rows 1 --for=-5m", exitUsage, "--for"},
		{"--rows 1 --for 366d", exitUsage, "make it a rule of the policy"},
		{"--rows 1 --table [", exitUsage, `--table: "[" is no table or pattern`},
		{"--rows 1 --table=", exitUsage, "--table is empty"},
		{"--rows 1 01JY2M", exitUsage, `--rows is for an allowance, and "01JY2M" names a statement that waits`},
		{"01JY2M --once", exitUsage, "--once is for an allowance"},
		{"01JY2M 01JY2N", exitUsage, "takes one argument, and was given 2"},
		{"--rows 1 --journal missing", exitFailed, "there is no journal here"},
		{"--rows 1 --journal postgres://u:SECRET@127.0.0.1:1/db", exitFailed, "cannot be reached"},
	} {
		r := runWith(t, env, append([]string{"allow"}, strings.Fields(c.args)...)...)
		r.check(t, c.code, c.stderr)
		if r.stdout != "" || strings.Contains(r.stderr, "SECRET") {
			t.Errorf("%s: printed %q, %q", c.args, r.stdout, r.stderr)
		}
	}
	if all := allowances(t, j); len(all) != 0 {
		t.Errorf("granted %+v", all)
	}
}

func TestAllowList(t *testing.T) {
	env, j := journalEnv(t)
	runWith(t, env, "allow", "list").check(t, exitDone, "no allowance can be used now")
	runWith(t, env, "allow", "list", "--all").check(t, exitDone, "no allowance was ever granted")

	live := giveAllowance(t, j, func(a *journal.Allowance) { a.User, a.Tables, a.Reason = "app", []string{"orders"}, "\x1b[31mbatch" })
	used := giveAllowance(t, j, func(a *journal.Allowance) { a.Once = true })
	for _, a := range []*journal.Allowance{live, used} {
		if err := j.Use(t.Context(), a.ID, "u", 40, a.Time); err != nil {
			t.Fatal(err)
		}
	}
	expired := giveAllowance(t, j, func(a *journal.Allowance) { a.Expires = a.Time.Add(time.Minute) })
	revoked := giveAllowance(t, j, nil)
	if _, err := j.Revoke(t.Context(), revoked.ID, "ops", time.Now()); err != nil {
		t.Fatal(err)
	}
	r := runWith(t, env, "allow", "list")
	r.check(t, exitDone, "")
	checkHas(t, r.stdout, "LEFT OF ROWS", live.ID, "60/100", "orders; user app", "ops", "·[31mbatch")
	if n := strings.Count(r.stdout, "\n"); n != 2 {
		t.Errorf("%d lines, want the header and one:\n%s", n, r.stdout)
	}
	lines := strings.Split(runWith(t, env, "allow", "list", "--all").stdout, "\n")
	for _, want := range [][]string{{live.ID, " live ", "60/100"}, {used.ID, " used up ", " 0/100", "once: any table"}, {expired.ID, " expired ", " 0/100"}, {revoked.ID, " revoked ", " 0/100"}} {
		found := ""
		for _, line := range lines {
			if strings.HasPrefix(line, want[0]) {
				found = line
			}
		}
		checkHas(t, found, want...)
	}

	states := map[string]string{}
	for line := range strings.Lines(runWith(t, env, "allow", "list", "--all", "--output", "json").stdout) {
		var a struct {
			ID, State string
			Left      int64
			Uses      []journal.Use
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		states[a.ID] = fmt.Sprint(a.State, a.Left, len(a.Uses))
	}
	if want := map[string]string{live.ID: "live60 1", used.ID: "used up0 1", expired.ID: "expired0 0", revoked.ID: "revoked0 0"}; !reflect.DeepEqual(states, want) {
		t.Errorf("JSON: %v, want %v", states, want)
	}
}

func TestAllowRevoke(t *testing.T) {
	env, j := journalEnv(t)
	a := giveAllowance(t, j, func(a *journal.Allowance) { a.ID = "01JY2M00000000000000000001" })
	giveAllowance(t, j, func(a *journal.Allowance) { a.ID = "01JY2M00000000000000000002" })
	if err := j.Use(t.Context(), a.ID, "u", 40, time.Now()); err != nil {
		t.Fatal(err)
	}
	for id, c := range map[string]struct {
		code   int
		stderr string
	}{
		"01JY2M": {exitUsage, "several allowances start with this ID"},
		"01JZ":   {exitUsage, "no such allowance: \"01JZ\"; `rowback allow list` lists them"},
		"":       {exitUsage, "the ID is empty"},
	} {
		runWith(t, env, "allow", "revoke", id).check(t, c.code, c.stderr)
	}
	runWith(t, env, "allow", "revoke").check(t, exitUsage, "`rowback allow list` lists them")
	if err := j.Use(t.Context(), a.ID, "v", 1, time.Now()); err != nil {
		t.Errorf("a refused command revoked: %v", err)
	}

	r := runWith(t, env, "allow", "revoke", strings.ToLower(a.ID), "--by", "alice")
	r.check(t, exitDone, "")
	checkHas(t, r.stdout, a.ID, "by alice", "41 rows by 2 transactions")
	if err := j.Use(t.Context(), a.ID, "v", 1, time.Now()); !errors.Is(err, journal.ErrSpent) {
		t.Errorf("used after revocation: %v", err)
	}
	r = runWith(t, env, "allow", "revoke", a.ID, "--by", "bob")
	r.check(t, exitDone, "it was revoked before; that stands")
	checkHas(t, r.stdout, "by alice")
}

func TestWhoami(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		by   string
		env  environment
		want string
	}{
		{"", nil, me.Username},
		{" alice ", environment{"SUDO_USER": "bob"}, "alice"},
		{"", environment{"SUDO_USER": "bob"}, "bob (as " + me.Username + ")"},
		{"", environment{"SUDO_USER": me.Username}, me.Username},
	} {
		if got := whoami(c.by, c.env); got != c.want {
			t.Errorf("%q, %v: %q, want %q", c.by, c.env, got, c.want)
		}
	}
}
