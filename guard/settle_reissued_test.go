package guard_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// The server crashes with a deletion under way, whose id then goes to who deletes the
// same rows, before the first session knows what has become of it: the rows were
// removed once.
func TestSettle_IssuedAgainToWhoRemovesTheSameRows(t *testing.T) {
	e, j := withFaulty(t, shop)
	pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()")
	t.Cleanup(func() {
		pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "ALTER SYSTEM RESET wal_writer_delay", "SELECT pg_reload_conf()")
	})
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "SELECT 1")
	again := func() {
		j.append.Store(nil)
		crash(t)
		mustExec(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM plain WHERE id <= 3")
	}
	j.append.Store(&again)
	if _, err := c.Exec(context.Background(), "DELETE FROM plain WHERE id <= 3"); err == nil {
		t.Error("the client was told it was done")
	}
	e.look()
	all := e.entries(journal.Filter{}) // newest first
	if len(all) != 2 {
		t.Fatalf("entries %+v, want two", all)
	}
	second, first := all[0], all[1]
	if number(t, second.XID) > number(t, first.XID) {
		t.Fatalf("transaction %s was not issued again, the next one was %s", first.XID, second.XID)
	}
	if first.Outcome != journal.RolledBack || second.Outcome != journal.Committed {
		t.Errorf("the first one is %s, the second %s", first.Outcome, second.Outcome)
	}
}

// The id went to who knows whom, and the rows have been removed by a later transaction:
// that they are gone tells nothing, but for those which no other one has removed.
func TestSettle_RowsRemovedAgain(t *testing.T) {
	e, _ := withFaulty(t, shop, "DELETE FROM plain WHERE id > 90")
	ctx := context.Background()
	var xid string
	if err := connect(t, e.direct, pgx.QueryExecModeExec).QueryRow(ctx, "INSERT INTO plain VALUES (1000, 'x') RETURNING pg_current_xact_id()::text").Scan(&xid); err != nil {
		t.Fatal(err)
	}
	all, some := e.doubtful(xid, "plain", []string{"1", "2"}), e.doubtful(xid, "plain", []string{"3", "95"})
	mustExec(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM plain WHERE id <= 3")
	e.start(blockPolicy(), e.journal)
	e.look()
	for id, want := range map[string]journal.Outcome{all: journal.InDoubt, some: journal.Committed} {
		if x, err := e.journal.Entry(ctx, id); err != nil || x.Outcome != want {
			t.Errorf("%v, %v; want %s", x.Outcome, err, want)
		}
	}
	if n := e.logs.count("all of 2 rows of transaction " + xid + " were removed again"); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
}

// A new primary is lost, with what was prepared there, and an older one is promoted: to a
// timeline of the same number, on which the ids are issued again.
func TestSettle_PreparedOnALostTimeline(t *testing.T) {
	e, _ := withFaulty(t, shop)
	ctx := context.Background()
	direct := connect(t, e.direct, pgx.QueryExecModeExec)
	next := func() (xid uint64) {
		t.Helper()
		if err := direct.QueryRow(ctx, "SELECT pg_current_xact_id()::text::bigint").Scan(&xid); err != nil {
			t.Fatal(err)
		}
		return xid
	}
	lost := next() + 5
	id := e.doubtfulEntry(journal.Deletion, strconv.FormatUint(lost, 10), "plain", []string{"95"}, func(x *journal.Entry) {
		x.Prepared, x.Server.Timeline = "p", 1
	})
	mustExec(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM plain WHERE id >= 90") // its id is lower
	for next() < lost {
	}
	e.start(blockPolicy(), e.journal)
	e.look()
	if x, err := e.journal.Entry(ctx, id); err != nil || x.Outcome != journal.RolledBack {
		t.Errorf("%v, %v", x.Outcome, err)
	}
}

func number(t *testing.T, xid string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(xid, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
