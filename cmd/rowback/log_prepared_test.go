package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// Whoever reads of an entry in doubt reads what it waits for.
func TestLog_PreparedTransaction(t *testing.T) {
	env, j := journalEnv(t)
	now := time.Now()
	e := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: journal.InDoubt, Database: "shop", XID: "7", Prepared: "order\n17"}
	if err := j.Append(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Prepared(t.Context(), e.ID, journal.Server{SystemID: "1", Timeline: 1}); err != nil {
		t.Fatal(err)
	}
	r := runWith(t, env, "log", e.ID)
	r.check(t, exitDone, "")
	if !strings.Contains(r.stdout, "order 17: COMMIT PREPARED or ROLLBACK PREPARED ends it") {
		t.Errorf("%s", r.stdout)
	}
	r = runWith(t, env, "log", "--output", "json")
	r.check(t, exitDone, "")
	if !strings.Contains(r.stdout, `"prepared":"order\n17"`) {
		t.Errorf("%s", r.stdout)
	}
}
