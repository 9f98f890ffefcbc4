package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// By whose leave a transaction went over a limit stands in the log, in each of its forms.
func TestLog_Allowed(t *testing.T) {
	env, j := journalEnv(t)
	now := time.Now()
	e := &journal.Entry{
		ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: journal.Committed, Database: "shop", User: "app", Rows: 50383, Rule: "night",
		Statements: []journal.Statement{{SQL: "DELETE FROM orders"}},
		Allowed: []journal.Allowed{
			{By: "alice", How: "allowance", ID: "01JY2M00000000000000000001", Rows: 50382, Reason: "GDPR\x1b batch 7"},
			{By: "app", How: "comment", Rows: 1},
		},
	}
	alerted := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: journal.Committed, Alert: "many", Allowed: e.Allowed}
	plain := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: journal.Committed}
	for _, e := range []*journal.Entry{e, alerted, plain} {
		if err := j.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	checkHas(t, runWith(t, env, "log").stdout, e.ID+"  committed (allowed) ", alerted.ID+"  committed (alert, allowed)  ", plain.ID+"  committed  ")
	r := runWith(t, env, "log", e.ID)
	checkHas(t, r.stdout, "rule         night\n", "allowed      50382 rows, by alice: allowance 01JY2M00000000000000000001, GDPR· batch 7\n", "allowed      1 row, by app: comment\n")
	if full := runWith(t, env, "log", plain.ID).stdout; strings.Contains(full, "rule") || strings.Contains(full, "allowed") {
		t.Errorf("what there is not is shown:\n%s", full)
	}
	var back journal.Entry
	if err := json.Unmarshal([]byte(runWith(t, env, "log", e.ID, "--output", "json").stdout), &back); err != nil || back.Rule != "night" || len(back.Allowed) != 2 || back.Allowed[0] != e.Allowed[0] {
		t.Errorf("JSON: %+v, %v", back, err)
	}
}
