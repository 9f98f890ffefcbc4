package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// logEnv is an environment that names a journal with three entries: an old
// one, a blocked one, and an incident of 3 orders with a note cut loose. The
// journal stays open, as a proxy's would.
func logEnv(t *testing.T) (env map[string]string, old, blocked, incident *journal.Entry) {
	t.Helper()
	dir := filepath.Join(inDirectory(t), "journal")
	j, err := journal.Open(t.Context(), dir, journal.Options{Proxy: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	now := time.Now().UTC()
	orders := journal.Table{Schema: "public", Name: "orders", OID: 1, Rows: 3, Via: journal.Direct, KeysCaptured: true,
		Key: []journal.Column{{Name: "id", Type: "bigint"}}}
	old = &journal.Entry{Time: now.Add(-48 * time.Hour), Kind: journal.Deletion, Database: "shop", User: "nightly", Application: "cron",
		Outcome: journal.RolledBack, Rows: 1, Tables: []journal.Table{orders}, Statements: []journal.Statement{{SQL: "DELETE FROM orders\n WHERE id = 9", Tag: "DELETE 1"}}}
	blocked = &journal.Entry{Time: now.Add(-time.Hour), Kind: journal.Deletion, Database: "shop", User: "alice", Outcome: journal.Blocked,
		Rows: 50382, Alert: "limit 1000", Tables: []journal.Table{orders}, Statements: []journal.Statement{{SQL: "DELETE FROM orders"}}}
	note := journal.Table{Schema: "app", Name: "notes", Rows: 1, Via: journal.SetNull, KeysCaptured: true,
		Key: []journal.Column{{Name: "id", Type: "uuid"}}, Old: []journal.Column{{Name: "order_id", Type: "bigint"}}}
	incident = &journal.Entry{Time: now.Add(-time.Minute), Kind: journal.Deletion, Database: "stock", User: "alice", Outcome: journal.Committed,
		Rows: 3, Alert: "many", Tables: []journal.Table{orders, note}, Statements: []journal.Statement{
			{SQL: "DELETE FROM orders WHERE \x1b[31m is_test", Tag: "DELETE 2"}, {SQL: "DELETE FROM orders WHERE a<b", Tag: "DELETE 1"}}}
	keys := journal.NewKeys("")
	defer keys.Close()
	text := func(s string) *string { return &s }
	for _, r := range []journal.Row{
		{Table: 0, Values: []*string{text("41")}}, {Table: 0, Values: []*string{text("42")}},
		{Table: 1, Values: []*string{text("a-b"), text("42")}}, {Table: 0, Values: []*string{text("43")}},
	} {
		if err := keys.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []*journal.Entry{old, blocked, incident} {
		e.ID = journal.NewID(e.Time)
		k := keys
		if e != incident {
			k = nil
		}
		if err := j.Append(t.Context(), e, k); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"ROWBACK_JOURNAL": dir}, old, blocked, incident
}

func TestLog_TextIsATable(t *testing.T) {
	env, old, blocked, incident := logEnv(t)
	r := runWith(t, env, "log")
	r.check(t, exitDone, "")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), r.stdout)
	}
	for i, want := range [][]string{
		{"TIME", "OUTCOME", "ROWS"},
		{incident.ID, "committed (alert)", " 3 ", "orders 3, app.notes 1 link cut", "alice@stock", "(+1 more)"},
		{blocked.ID, "blocked", "50382", "alice@shop", "DELETE FROM orders"},
		{old.ID, "rolled_back", "nightly@shop", "DELETE FROM orders WHERE id = 9"},
	} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d lacks %q: %s", i, part, lines[i])
			}
		}
	}
	if strings.ContainsRune(r.stdout, 0x1b) {
		t.Error("an escape sequence reaches the terminal")
	}
}

func TestLog_Filters(t *testing.T) {
	env, old, blocked, incident := logEnv(t)
	for _, c := range []struct {
		args string
		want []*journal.Entry
	}{
		{"", []*journal.Entry{incident, blocked, old}},
		{"--limit 2", []*journal.Entry{incident, blocked}},
		{"--since 2h", []*journal.Entry{incident, blocked}},
		{"--since 3d", []*journal.Entry{incident, blocked, old}},
		{"--until 30m", []*journal.Entry{blocked, old}},
		{"--since 1d --until 10m", []*journal.Entry{blocked}},
		{"--until " + old.Time.Format(time.RFC3339), []*journal.Entry{old}},
		{"--since " + old.Time.Format(time.DateOnly) + " --until " + old.Time.Format(time.DateOnly), []*journal.Entry{old}},
		{"--table notes", []*journal.Entry{incident}},
		{"--table app.notes", []*journal.Entry{incident}},
		{`--table "app".notes`, []*journal.Entry{incident}},
		{"--user alice", []*journal.Entry{incident, blocked}},
		{"--database shop", []*journal.Entry{blocked, old}},
		{"--application cron", []*journal.Entry{old}},
		{"--outcome blocked", []*journal.Entry{blocked}},
		{"--kind restore", nil},
		{"--min-rows 4", []*journal.Entry{blocked}},
		{"--user alice --database stock", []*journal.Entry{incident}},
		{blocked.ID, []*journal.Entry{blocked}},
	} {
		r := runWith(t, env, append([]string{"log", "--output", "json"}, strings.Fields(c.args)...)...)
		r.check(t, exitDone, "")
		var got, want []string
		for line := range strings.Lines(r.stdout) {
			var e journal.Entry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID)
		}
		for _, e := range c.want {
			want = append(want, e.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", c.args, got, want)
		}
	}
}

func TestLog_JSONIsTheContract(t *testing.T) {
	env, _, _, incident := logEnv(t)
	r := runWith(t, env, "log", incident.ID, "--output", "json")
	var fields map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "time", "database", "user", "application", "client", "xid", "outcome", "statements", "rows", "tables", "alert"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("no field %s in %s", name, r.stdout)
		}
	}
	if _, ok := fields["keys"]; ok {
		t.Error("keys without --keys")
	}
	if !strings.Contains(r.stdout, "a<b") {
		t.Error("SQL is escaped for HTML")
	}

	r = runWith(t, env, "log", incident.ID, "--output", "json", "--keys")
	want := `,"keys":[{"schema":"public","table":"orders","key":{"id":41}},{"schema":"public","table":"orders","key":{"id":42}},` +
		`{"schema":"app","table":"notes","key":{"id":"a-b"},"old":{"order_id":42}},{"schema":"public","table":"orders","key":{"id":43}}]}` + "\n"
	if !strings.HasSuffix(r.stdout, want) || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("got %s", r.stdout)
	}
	r = runWith(t, env, "log", "--output", "json", "--keys")
	if strings.Count(r.stdout, "\n") != 3 || strings.Count(r.stdout, `"keys":[]`) != 2 {
		t.Errorf("all with keys: %s", r.stdout)
	}
}

func TestLog_OneInFull(t *testing.T) {
	env, _, blocked, incident := logEnv(t)
	r := runWith(t, env, "log", strings.ToLower(incident.ID), "--keys")
	r.check(t, exitDone, "")
	for _, part := range []string{incident.ID, "committed", "many", "stock", "link cut, row still there", "→ DELETE 2", "a<b", `"key":{"id":43}`} {
		if !strings.Contains(r.stdout, part) {
			t.Errorf("lacks %q:\n%s", part, r.stdout)
		}
	}
	if strings.Contains(r.stdout, blocked.ID) {
		t.Error("shows another entry too")
	}
}

func TestLog_Errors(t *testing.T) {
	env, _, _, incident := logEnv(t)
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"ZZZ"}, exitUsage, `no such journal entry: "ZZZ"`},
		{[]string{incident.ID[:2]}, exitUsage, "several journal entries start with this ID"},
		{[]string{""}, exitUsage, "the ID is empty"},
		{[]string{"--keys"}, exitUsage, "--keys needs the ID of one entry, or --output json"},
		{[]string{"--since", "yesterdayish"}, exitUsage, "--since: \"yesterdayish\" is no time; give one such as"},
		{[]string{"--since", "1h", "--until", "2h"}, exitUsage, "--until: 2h lies before --since"},
		{[]string{"--since=-1h"}, exitUsage, "is no time"},
		{[]string{"--outcome", "lost"}, exitUsage, `--outcome: "lost" is none of committed`},
		{[]string{"--min-rows", "-1"}, exitUsage, "below zero"},
		{[]string{"--limit", "-1"}, exitUsage, "below zero"},
		{[]string{"--output", "xml"}, exitUsage, "output: \"xml\" is none of text, json"},
		{[]string{"--journal", "postgres://u:SECRET@127.0.0.1:1/db"}, exitFailed, "cannot be reached"},
		{[]string{"--user", "nobody"}, exitDone, "no entry matches"},
	} {
		r := runWith(t, env, append([]string{"log"}, c.args...)...)
		r.check(t, c.code, c.stderr)
		if strings.Contains(r.stderr, "SECRET") {
			t.Error("a password is shown")
		}
	}
}

func TestLog_EmptyJournal(t *testing.T) {
	dir := inDirectory(t)
	j, err := journal.Open(t.Context(), dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	runWith(t, nil, "log", "--journal", dir).check(t, exitDone, "the journal holds no entries yet")
	runWith(t, nil, "log", "--journal", dir, "--user", "x").check(t, exitDone, "no entry matches")
}

func TestTablesBrief(t *testing.T) {
	table := func(schema, name string, rows int64, via journal.Via) journal.Table {
		return journal.Table{Schema: schema, Name: name, Rows: rows, Via: via}
	}
	for _, c := range []struct {
		kind   journal.Kind
		tables []journal.Table
		want   string
	}{
		{journal.Deletion, []journal.Table{table("public", "orders", 2, journal.Direct), table("public", "orders", 3, "cascade")}, "orders 5"},
		{journal.Deletion, []journal.Table{table("public", "t", 2, journal.Direct), table("public", "t", 2000, journal.SetNull)}, "t 2, t 2000 links cut"},
		{journal.Restore, []journal.Table{table("public", "t", 1, journal.SetNull)}, "t 1 link restored"},
		{journal.Deletion, []journal.Table{table("public", "order", 2, journal.Direct), table("App", "x", 2, journal.Direct)}, `"order" 2, "App".x 2`},
		{journal.Deletion, []journal.Table{table("public", "orders", 1, ""), table("public", "payments", 2, ""), table("public", "audit_logs", 3, ""), table("public", "refunds", 4, "")},
			"orders 1, payments 2, +2 more"},
		{journal.Deletion, []journal.Table{table("public", strings.Repeat("x", 60), 1, "")}, strings.Repeat("x", 39) + "…"},
	} {
		if got := tablesBrief(&journal.Entry{Kind: c.kind, Tables: c.tables}, 40); got != c.want {
			t.Errorf("%s; want %s", got, c.want)
		}
	}
}

func TestLog_MissingJournalIsAnErrorAndStaysMissing(t *testing.T) {
	inDirectory(t)
	r := runWith(t, nil, "log")
	r.check(t, exitFailed, "there is no journal here")
	if r.stdout != "" {
		t.Errorf("printed %q", r.stdout)
	}
	if _, err := os.Stat("rowback-journal"); err == nil {
		t.Error("a journal was made")
	}
}

// What has been restored or undone since is said, and a hold leads to its entry.
func TestLog_SaysWhatBecameOfEntries(t *testing.T) {
	dir := inDirectory(t)
	j, err := journal.Open(t.Context(), dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Add(-time.Hour)
	entry := func(kind journal.Kind, at time.Duration, application string, restores ...string) *journal.Entry {
		e := &journal.Entry{ID: journal.NewID(now.Add(at)), Time: now.Add(at), Kind: kind, Outcome: journal.Committed, Database: "shop", User: "u", Application: application, Rows: 1, Restores: restores,
			Tables: []journal.Table{{Schema: "public", Name: "t", Rows: 1, Via: journal.Direct, KeysCaptured: true}}}
		if err := j.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
		return e
	}
	undone, kept := entry(journal.Deletion, 0, "app"), entry(journal.Deletion, time.Second, "app")
	first := entry(journal.Restore, 2*time.Second, "rowback restore", undone.ID)
	second := entry(journal.Restore, 3*time.Second, "rowback restore", kept.ID)
	taken := entry(journal.Deletion, 4*time.Second, "rowback restore", first.ID)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ROWBACK_JOURNAL": dir}
	r := runWith(t, env, "log")
	r.check(t, exitDone, "")
	lines := strings.Split(r.stdout, "\n")
	for i, want := range []string{"KIND", "deletion ", "restore ", "restore, undone", "deletion, restored", "deletion "} {
		if !strings.Contains(lines[i], want) || i == 5 && strings.Contains(lines[i], "restored") {
			t.Errorf("line %d lacks %q: %s", i, want, lines[i])
		}
	}
	for id, want := range map[string]string{first.ID: "undone by    " + taken.ID, kept.ID: "restored by  " + second.ID} {
		if r := runWith(t, env, "log", id); !strings.Contains(r.stdout, want) {
			t.Errorf("%s lacks %q: %s", id, want, r.stdout)
		}
	}
}
