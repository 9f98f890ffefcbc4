package main

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// A deletion of which no row is known is not called restored, though a restore by
// filter was named it with others.
func TestLog_WhatCouldNotBeRestoredIsNotCalledRestored(t *testing.T) {
	l := newAftermathLab(t)
	env := l.env
	known := l.entry(journal.Deletion, 1, 1)
	unknown := l.table(journal.Table{Schema: "public", Name: "t", Via: journal.Function}, journal.Deletion, 1, 1)
	l.entry(journal.Restore, 1, 1, known, unknown)
	for id, want := range map[string]bool{known: true, unknown: false} {
		if got := strings.Contains(runWith(t, env, "log", id).stdout, "restored by"); got != want {
			t.Errorf("captured %v: restored %v", want, got)
		}
	}
	if n := strings.Count(runWith(t, env, "log").stdout, "deletion, restored"); n != 1 {
		t.Errorf("%d deletions are called restored", n)
	}
}
