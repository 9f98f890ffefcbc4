package main

import (
	"encoding/json"
	"testing"

	"github.com/rowback/rowback/journal"
)

// What was restored into a copy is not back where it was removed.
func TestLog_RestoredElsewhere(t *testing.T) {
	l := newAftermathLab(t)
	l.server.SystemID = "1"
	id := l.entry(journal.Deletion, 1, 3)
	l.database = "staging"
	first := l.entry(journal.Restore, 1, 3, id)
	there := first + ": 3 rows, into staging, not shop"
	l.kind(id, "deletion, restored into staging, not shop", there)
	var e struct {
		Restored  *back
		Elsewhere []visit `json:"restored_elsewhere"`
	}
	out := runWith(t, l.env, "log", id, "--output", "json").stdout
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.Restored != nil || len(e.Elsewhere) != 1 || e.Elsewhere[0] != (visit{ID: first, Database: "staging", Rows: 3}) {
		t.Errorf("%s %v", out, err)
	}
	undo := l.entry(journal.Deletion, 1, 2, first)
	l.kind(first, "restore, undone in part (2 of 3)", undo+": 2 rows")

	l.database, l.server.SystemID = "shop", "2"
	other := l.entry(journal.Restore, 1, 3, undo, id)
	another := other + ": 3 rows, which may be of others, into shop on another server"
	l.kind(id, "deletion, restored into shop on another server", there, another)

	l.server.SystemID = "" // not known
	last := l.entry(journal.Restore, 2, 3, id)
	l.kind(id, "deletion, restored in part (2 of 3)", last+": 2 rows", there, another)
}
