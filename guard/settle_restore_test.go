package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// A restore that died around its commit is settled the other way round: its
// rows are there if it committed.
func TestSettle_Restores(t *testing.T) {
	e, _ := withFaulty(t, shop)
	ctx := context.Background()
	conn := connect(t, e.direct, pgx.QueryExecModeExec)
	var committed, aborted, open string
	begin := func(xid *string) {
		mustExec(t, conn, "BEGIN")
		if err := conn.QueryRow(ctx, "SELECT pg_current_xact_id()::text").Scan(xid); err != nil {
			t.Fatal(err)
		}
	}
	begin(&committed)
	mustExec(t, conn, "INSERT INTO plain SELECT generate_series(1001, 1003), 'restored'")
	mustExec(t, conn, "COMMIT")
	begin(&aborted)
	mustExec(t, conn, "ROLLBACK")
	mustExec(t, conn, "DELETE FROM plain WHERE id = 1003")
	begin(&open)
	cases := map[string]struct {
		xid  string
		ids  []string
		want journal.Outcome
	}{
		"committed":                        {committed, []string{"1001", "1002"}, journal.Committed},
		"committed, some deleted since":    {committed, []string{"1001", "1003"}, journal.Committed},
		"rolled back":                      {aborted, []string{"2001"}, journal.RolledBack},
		"still open":                       {open, []string{"2001"}, journal.InDoubt},
		"issued again, no row there":       {committed, []string{"2001", "2002"}, journal.RolledBack},
		"cannot be told: rows of another":  {committed, []string{"1", "2"}, journal.InDoubt},
		"cannot be told: links alone, say": {committed, nil, journal.InDoubt},
	}
	ids := map[string]string{}
	for name, c := range cases {
		ids[name] = e.doubtfulEntry(journal.Restore, c.xid, "plain", c.ids)
	}
	e.start(blockPolicy(), e.journal)
	e.look()
	for name, c := range cases {
		if x, err := e.journal.Entry(ctx, ids[name]); err != nil || x.Outcome != c.want {
			t.Errorf("%s: %v, %v; want %s", name, x.Outcome, err, c.want)
		}
	}
}

// A restore is another process: the proxy finds out by itself that one died.
func TestSettle_RestoreThatDiedWhileTheProxyRuns(t *testing.T) {
	e, _ := withFaulty(t, shop)
	judge, err := guard.New(t.Context(), guard.Options{Policy: blockPolicy(), Journal: e.journal, Metrics: guard.NewMetrics(), Refresh: 10 * time.Millisecond,
		Control: func(ctx context.Context, database string) (catalog.Querier, func(), error) {
			c, err := pgx.Connect(ctx, pgtest.Shared(t).URL(database))
			if err != nil {
				return nil, nil, err
			}
			return catalog.FromConn(c), func() { c.Close(context.Background()) }, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { judge.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	id := e.doubtfulEntry(journal.Restore, "3", "plain", []string{"-1"})
	deadline := time.Now().Add(pollTime)
	for range time.Tick(10 * time.Millisecond) {
		x, err := e.journal.Entry(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if x.Outcome != journal.InDoubt || time.Now().After(deadline) {
			if x.Outcome != journal.RolledBack {
				t.Errorf("settled as %s", x.Outcome)
			}
			return
		}
	}
}
