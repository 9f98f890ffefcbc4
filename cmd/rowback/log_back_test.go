package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// A deletion of which no row is known is not called restored, though a restore by
// filter was named it with others.
func TestLog_WhatCouldNotBeRestoredIsNotCalledRestored(t *testing.T) {
	env, j := approvalEnv(t)
	now := time.Now()
	entry := func(kind journal.Kind, captured bool, of ...string) *journal.Entry {
		now = now.Add(time.Second)
		e := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: kind, Outcome: journal.Committed, Restores: of, Rows: 1,
			Tables: []journal.Table{{Schema: "public", Name: "t", Rows: 1, Via: journal.Function, KeysCaptured: captured}}}
		if err := j.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
		return e
	}
	known, unknown := entry(journal.Deletion, true), entry(journal.Deletion, false)
	entry(journal.Restore, true, known.ID, unknown.ID)
	for e, want := range map[*journal.Entry]bool{known: true, unknown: false} {
		if got := strings.Contains(runWith(t, env, "log", e.ID).stdout, "restored by"); got != want {
			t.Errorf("captured %v: restored %v", e.Tables[0].KeysCaptured, got)
		}
	}
	if n := strings.Count(runWith(t, env, "log").stdout, "deletion, restored"); n != 1 {
		t.Errorf("%d deletions are called restored", n)
	}
}
