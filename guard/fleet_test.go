package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// An entry of a database of the same name on another server is none of this one's
// business: its transaction id means something else here. Entries say whose they are.
func TestSettle_OfAnotherServerStaysInDoubt(t *testing.T) {
	e, _ := withFaulty(t, shop)
	var here string
	if err := connect(t, e.direct, pgx.QueryExecModeExec).QueryRow(context.Background(), "SELECT system_identifier::text FROM pg_control_system()").Scan(&here); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, server := range []string{"7300000000000000000", here} {
		now := time.Now()
		x := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: journal.InDoubt, Database: e.database, XID: "3", Rows: 1,
			Server: journal.Server{SystemID: server, Started: now.Add(-time.Hour)},
			Tables: []journal.Table{{Schema: "public", Name: "plain", Rows: 1, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}}}}
		k := e.journal.Gather("")
		gone := "-1"
		if err := k.Add(journal.Row{Values: []*string{&gone}}); err != nil {
			t.Fatal(err)
		}
		if err := e.journal.Append(t.Context(), x, k); err != nil {
			t.Fatal(err)
		}
		k.Close()
		ids[server] = x.ID
	}
	e.start(blockPolicy(), e.journal) // takes them into care
	e.look()
	for server, id := range ids {
		want := journal.InDoubt
		if server == here {
			want = journal.Committed
		}
		if x, err := e.journal.Entry(t.Context(), id); err != nil || x.Outcome != want {
			t.Errorf("the entry of server %s: %+v, %v, want %s", server, x, err, want)
		}
	}
	mustExec(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM plain WHERE id = 1")
	if newest := e.entries(journal.Filter{})[0]; newest.Server.SystemID != here {
		t.Errorf("the entry says server %q, it is %q", newest.Server.SystemID, here)
	}
}
