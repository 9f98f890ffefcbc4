package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// giveHold stores a hold that has waited for 90 seconds and expires in an hour;
// change may alter it.
func giveHold(t *testing.T, j journal.Journal, change func(*journal.Hold)) *journal.Hold {
	t.Helper()
	now := time.Now().UTC()
	h := &journal.Hold{
		Time: now.Add(-90 * time.Second), Expires: now.Add(time.Hour), Database: "shop", User: "batch", Application: "cleanup", Client: "192.0.2.7:5555",
		SQL: "DELETE FROM orders\nWHERE \x1b[31m a<b", What: "DELETE would remove 50382 rows (orders 1237, payments 8642), limit 1000", Rows: 50382, Rule: "night", CancelKey: "digest",
	}
	if change != nil {
		change(h)
	}
	if h.ID == "" {
		h.ID = journal.NewID(h.Time)
	}
	if err := j.Hold(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAllowHolds(t *testing.T) {
	env, j := journalEnv(t)
	runWith(t, env, "allow", "holds").check(t, exitDone, "no statement waits")
	runWith(t, env, "allow", "holds", "--all").check(t, exitDone, "no statement was ever held")

	waiting := giveHold(t, j, nil)
	probed := giveHold(t, j, func(h *journal.Hold) { h.Rows, h.AtLeast, h.Application = 1001, true, "" })
	abandoned := giveHold(t, j, func(h *journal.Hold) { h.Expires = h.Time.Add(time.Second) })
	denied := giveHold(t, j, nil)
	if _, err := j.Decide(t.Context(), denied.ID, journal.Denied, "alice", "not now", denied.Time.Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}

	r := runWith(t, env, "allow", "holds")
	r.check(t, exitDone, "")
	checkHas(t, r.stdout, "WAITED", waiting.ID, "waiting", "1m30s", waiting.Expires.Format(time.RFC3339), "50382", "batch@shop", "DELETE FROM orders WHERE",
		"(orders 1237, payments 8642), limit 1000, from application cleanup at 192.0.2.7:5555", probed.ID, "≥ 1001", "limit 1000, from 192.0.2.7:5555")
	if strings.Contains(r.stdout, denied.ID) || strings.Contains(r.stdout, abandoned.ID) || strings.ContainsRune(r.stdout, 0x1b) {
		t.Errorf("shows what does not wait, or an escape sequence:\n%s", r.stdout)
	}
	r = runWith(t, env, "allow", "holds", "--all")
	checkHas(t, r.stdout, waiting.ID, probed.ID, denied.ID+"  denied    5s", "; denied by alice: not now", abandoned.ID+"  expired   1s")

	states := ""
	for line := range strings.Lines(runWith(t, env, "allow", "holds", "--all", "--output", "json").stdout) {
		var h journal.Hold
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatal(err)
		}
		states += string(h.State) + " "
		if !strings.Contains(line, "a<b") {
			t.Error("SQL is escaped for HTML")
		}
		if strings.Contains(line, "digest") {
			t.Error("shows the digest of the session's cancel key")
		}
	}
	if states != "denied expired waiting waiting " {
		t.Errorf("JSON: %s", states)
	}

	if r = runWith(t, env, "allow", "holds", denied.ID, "--output", "json"); !strings.Contains(r.stdout, denied.ID) || strings.Contains(r.stdout, "digest") {
		t.Errorf("one in full: %s", r.stdout)
	}
	r = runWith(t, env, "allow", "holds", denied.ID)
	r.check(t, exitDone, "")
	checkHas(t, r.stdout, denied.ID, "denied by alice: not now", "night", "cleanup", "192.0.2.7:5555", "  DELETE FROM orders\n  WHERE ·[31m a<b\n")
	runWith(t, env, "allow", "holds", "ZZ").check(t, exitUsage, "no such hold: \"ZZ\"; `rowback allow holds --all` lists them")
	runWith(t, env, "allow", "holds", "").check(t, exitUsage, "the ID is empty")
}

func TestAllowAndDeny_Answer(t *testing.T) {
	env, j := journalEnv(t)
	for command, state := range map[string]journal.HoldState{"allow": journal.Granted, "deny": journal.Denied} {
		h := giveHold(t, j, nil)
		r := runWith(t, env, command, strings.ToLower(h.ID), "--reason", "as agreed", "--by", "alice", "--output", "json")
		r.check(t, exitDone, "")
		got, err := j.HoldByID(t.Context(), h.ID)
		if err != nil || got.State != state || got.By != "alice" || got.Reason != "as agreed" || got.Decided.IsZero() {
			t.Errorf("%s: %+v, %v", command, got, err)
		}
		got.CancelKey = "" // is not shown
		var printed journal.Hold
		if err := json.Unmarshal([]byte(r.stdout), &printed); err != nil || printed != *got {
			t.Errorf("printed %s, %v", r.stdout, err)
		}
		h = giveHold(t, j, nil)
		r = runWith(t, env, command, h.ID, "--by", "bob")
		checkHas(t, r.stdout, h.ID, string(state)+" by bob", "50382", "DELETE FROM orders")
		if says := strings.Contains(r.stderr, "if its client and proxy are still there") && strings.Contains(r.stderr, "more than 50382 rows by now"); says != (state == journal.Granted) {
			t.Errorf("%s: %s", command, r.stderr)
		}
	}
}

// Whoever answers in vain learns why, and what can be done.
func TestAllowAndDeny_TooLate(t *testing.T) {
	env, j := journalEnv(t)
	decide := func(h *journal.Hold, state journal.HoldState, by, reason string) {
		if _, err := j.Decide(t.Context(), h.ID, state, by, reason, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	denied, granted, expired, left := giveHold(t, j, nil), giveHold(t, j, nil), giveHold(t, j, nil), giveHold(t, j, nil)
	decide(denied, journal.Denied, "alice", "not now")
	decide(granted, journal.Granted, "alice", "")
	decide(expired, journal.Expired, "", "")
	decide(left, journal.Left, "", "connection reset")
	abandoned := giveHold(t, j, func(h *journal.Hold) { h.Expires = h.Time.Add(time.Second) })
	blocked := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now(), Kind: journal.Deletion, Outcome: journal.Blocked, Database: "my shop", User: "o'neill", Rows: 50382,
		Tables: []journal.Table{{Schema: "public", Name: "orders", Via: journal.Direct}, {Schema: "public", Name: "payments", Via: journal.Cascade}, {Schema: "public", Name: "Old", Via: journal.Truncate}}}
	if err := j.Append(t.Context(), blocked, nil); err != nil {
		t.Fatal(err)
	}
	allowance := giveAllowance(t, j, nil)
	for _, command := range []string{"allow", "deny"} {
		for _, c := range []struct {
			id     string
			code   int
			stderr string
		}{
			{denied.ID, exitFailed, denied.ID + " was denied already, by alice at "},
			{denied.ID, exitFailed, "Z: not now"},
			{granted.ID, exitFailed, granted.ID + " was allowed already, by alice at "},
			{expired.ID, exitFailed, "nobody answered, and it was refused; grant an allowance"},
			{abandoned.ID, exitFailed, abandoned.ID + " waited until " + abandoned.Expires.Format(time.RFC3339) + ", nobody answered"},
			{left.ID, exitFailed, left.ID + " no longer waits: its client or its proxy ended"},
			{"ZZ", exitUsage, "no such hold: \"ZZ\"; `rowback allow holds` lists them"},
			{"0", exitUsage, "several holds start with this ID"},
			{"", exitUsage, "the ID is empty"},
			{blocked.ID, exitFailed, "an entry of the log, blocked"},
			{blocked.ID, exitFailed, `rowback allow --rows 50382 --table public.orders --table 'public."Old"' --user 'o'\''neill' --database 'my shop' --once`},
			{allowance.ID, exitFailed, "is an allowance, not a statement that waits; `rowback allow revoke " + allowance.ID + "` ends it"},
		} {
			r := runWith(t, env, command, c.id)
			r.check(t, c.code, c.stderr)
			if r.stdout != "" {
				t.Errorf("%s %s printed %q", command, c.id, r.stdout)
			}
		}
	}
	if h, err := j.HoldByID(t.Context(), denied.ID); err != nil || h.State != journal.Denied {
		t.Errorf("the first answer does not stand: %+v, %v", h, err)
	}
	runWith(t, env, "deny").check(t, exitUsage, "`rowback allow holds` lists them")
	runWith(t, env, "deny", "x", "--rows", "5").check(t, exitUsage, "unknown flag: --rows")
	runWith(t, env, "deny", "x", "--journal", "missing").check(t, exitFailed, "there is no journal here")
}

// Of a hold whose rows nobody has counted no number is shown, nor is a yes to it one to a number.
func TestAllowHolds_Uncounted(t *testing.T) {
	env, j := journalEnv(t)
	h := giveHold(t, j, func(h *journal.Hold) { h.Rows, h.Uncounted, h.What = 0, true, "DO is not allowed" })
	r := runWith(t, env, "allow", "holds")
	r.check(t, exitDone, "")
	if fields := strings.Fields(strings.Split(r.stdout, "\n")[1]); len(fields) < 5 || fields[4] != "-" {
		t.Errorf("rows in %q", r.stdout)
	}
	checkHas(t, runWith(t, env, "allow", "holds", "--output", "json").stdout, `"uncounted":true`)
	checkHas(t, runWith(t, env, "allow", h.ID).stderr, "if it removes more rows than the rule lets go, it waits again")
}
