package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// The reference that the client of a held statement was told names, wherever an
// entry is asked for, the one that it led to.
func TestHold_NamesTheEntryThatItLedTo(t *testing.T) {
	env, production, id := restoreEnv(t)
	j, err := journal.Open(t.Context(), env["ROWBACK_JOURNAL"], journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	waits := giveHold(t, j, nil)
	led := giveHold(t, j, func(h *journal.Hold) { h.Time = time.Now().Add(-time.Hour) })
	entry, err := j.Entry(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	entry.ID, entry.Allowed = journal.NewID(time.Now()), []journal.Allowed{{By: "alice", How: "hold", ID: led.ID, Rows: 3}}
	keys := journal.NewKeys("")
	for _, k := range []string{"1", "2", "3"} {
		err = errors.Join(err, keys.Add(journal.Row{Values: []*string{&k}}))
	}
	if err := errors.Join(err, j.Append(context.WithoutCancel(t.Context()), entry, keys), keys.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	r := runWith(t, env, "log", led.ID)
	r.check(t, exitDone, "")
	checkHas(t, r.stdout, entry.ID)
	r = runWith(t, env, "graph", "--incident", led.ID)
	r.check(t, exitDone, "")
	checkHas(t, r.stdout, "Incident "+entry.ID)
	runWith(t, env, "diff", "--incident", led.ID, "--incident", id).check(t, exitProblems, "")
	for _, args := range [][]string{{"log", waits.ID}, {"graph", "--incident", waits.ID}, {"diff", "--incident", waits.ID}, {"restore", waits.ID, "--yes"}} {
		runWith(t, env, args...).check(t, exitUsage, "`rowback allow holds "+waits.ID+"`")
	}
	runWith(t, env, "restore", led.ID, "--yes").check(t, exitDone, "")
	if n := orders(t, production); n != 9 {
		t.Errorf("%d orders", n)
	}
}
