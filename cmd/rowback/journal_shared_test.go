package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// The cluster starts when a test first asks for it.
func TestMain(m *testing.M) { pgtest.Main(m, pgtest.Options{}) }

// The commands take the URL of a shared journal as they take a directory.
func TestSharedJournal_Commands(t *testing.T) {
	inDirectory(t)
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	env := environment{"ROWBACK_JOURNAL": url}
	runWith(t, env, "log").check(t, exitFailed, "there is no journal here")
	j, err := journals.Open(t.Context(), url, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	now := time.Now()
	e := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Database: "shop", User: "batch", Outcome: journal.Committed, Rows: 7}
	h := &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour), Database: "shop", SQL: "DELETE FROM orders", Rows: 7}
	if err := j.Append(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Hold(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, out string }{
		{"log", e.ID},
		{"log " + e.ID[:20], "batch"},
		{"allow --rows 10 --table orders --once", ""},
		{"allow list", "orders"},
		{"allow holds", h.ID},
		{"deny " + h.ID + " --reason no", ""},
	} {
		r := runWith(t, env, strings.Fields(c.args)...)
		r.check(t, exitDone, "")
		if !strings.Contains(r.stdout, c.out) {
			t.Errorf("%s printed %q, %q", c.args, r.stdout, r.stderr)
		}
	}
	if got, err := j.HoldByID(t.Context(), h.ID); err != nil || got.State != journal.Denied || got.Reason != "no" {
		t.Errorf("%+v, %v", got, err)
	}
}
