package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// What cannot be restored is seen in the list already, and nothing is said to be gone,
// or lost to restores, that is still there.
func TestLog_StateOfEntries(t *testing.T) {
	env, j := journalEnv(t)
	now := time.Now().UTC().Add(-time.Hour)
	keyed := journal.Table{Schema: "public", Name: "orders", Rows: 200, Via: journal.Direct, KeysCaptured: true}
	unkeyed := journal.Table{Schema: "public", Name: "nokey", Rows: 500, Via: journal.Function, Why: "a DO block"}
	imaged := journal.Table{Schema: "public", Name: "nokey", Rows: 500, Via: journal.Direct, RowsCaptured: true}
	cut := journal.Table{Schema: "public", Name: "notes", Rows: 257, Via: journal.SetNull, Why: "blocked"}
	const alert = "CALL may have removed rows that nobody could count: it commits by itself"
	none := func(string) bool { return false }
	has := func(part string) func(string) bool {
		return func(text string) bool { return strings.Contains(text, part) }
	}
	for i, c := range []struct {
		entry      journal.Entry
		line, full string
		wrong      func(full string) bool
	}{
		{journal.Entry{Outcome: journal.Committed, Rows: 200, Tables: []journal.Table{keyed}}, "  deletion                   200  ", "rows         200\n", none},
		{journal.Entry{Outcome: journal.Committed, Rows: 500, Tables: []journal.Table{unkeyed}}, "  deletion, no keys          500  ", "keys not captured: a DO block", none},
		{journal.Entry{Outcome: journal.InDoubt, Rows: 700, Tables: []journal.Table{keyed, unkeyed}}, "  deletion, some keys        700  ", "keys not captured: a DO block", none},
		{journal.Entry{Outcome: journal.Committed, Rows: 500, Tables: []journal.Table{imaged}}, "  deletion                   500  ", "whole rows captured", none},
		{journal.Entry{Outcome: journal.Committed, Dropped: "rental", Alert: alert}, "  deletion, no keys            ?  ", "rows         unknown: nobody could count them\n", none},
		{journal.Entry{Outcome: journal.Blocked, Rows: 700, Alert: "limit", Tables: []journal.Table{unkeyed, cut}}, "  deletion                   700  nokey 500, notes 257 links  ", "notes  set_null, links would have been cut\n", has("captured")},
		{journal.Entry{Outcome: journal.RolledBack, Rows: 500, Tables: []journal.Table{unkeyed}}, "  deletion                   500  ", "rows         500, none of which is gone\n", has("captured")},
	} {
		e := c.entry
		e.Time, e.Kind = now.Add(time.Duration(i)*time.Second), journal.Deletion
		e.ID = journal.NewID(e.Time)
		if err := j.Append(t.Context(), &e, nil); err != nil {
			t.Fatal(err)
		}
		if list := runWith(t, env, "log", "--limit", "1"); !strings.Contains(list.stdout, c.line) {
			t.Errorf("%d: lacks %q:\n%s", i, c.line, list.stdout)
		}
		if full := runWith(t, env, "log", e.ID); !strings.Contains(full.stdout, c.full) || c.wrong(full.stdout) {
			t.Errorf("%d: lacks %q, or has what is wrong:\n%s", i, c.full, full.stdout)
		}
	}
}

// The entry of a call that commits by itself leads to the one with its rows, in log and restore.
func TestLog_CallsThatCommit(t *testing.T) {
	env, j := journalEnv(t)
	now := time.Now().UTC().Add(-time.Hour)
	add := func(e journal.Entry, sql string) string {
		now = now.Add(time.Second)
		e.ID, e.Time, e.Kind, e.Database, e.User = journal.NewID(now), now, journal.Deletion, "shop", "app"
		e.Statements = []journal.Statement{{SQL: sql}}
		if e.Client == "" {
			e.Client = "10.0.0.1:4000"
		}
		if err := j.Append(t.Context(), &e, nil); err != nil {
			t.Fatal(err)
		}
		return e.ID
	}
	before := journal.Entry{Outcome: journal.RolledBack, Alert: "CALL may have removed rows that nobody could count: it commits by itself"}
	after := journal.Entry{Outcome: journal.Committed, XID: "7", Rows: 19, Tables: []journal.Table{{Schema: "public", Name: "t", Rows: 19, Via: journal.Function}}}
	elsewhere := after
	elsewhere.Client = "10.0.0.2:4000"

	nothing := add(before, "call purge()")
	first := add(before, "call purge()")
	add(elsewhere, "call purge()")
	add(after, "call other()")
	its := add(after, "call purge()")
	add(after, "call purge()")

	checkHas(t, runWith(t, env, "log", first).stdout, "see          "+its+": ")
	runWith(t, env, "restore", first, "--dry-run").check(t, exitUsage, "name "+its)
	if full := runWith(t, env, "log", nothing).stdout; strings.Contains(full, "see ") {
		t.Errorf("%s", full)
	}
	runWith(t, env, "restore", nothing, "--dry-run").check(t, exitUsage, "no removal of it is on record")
}
