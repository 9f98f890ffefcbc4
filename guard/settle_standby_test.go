package guard_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// A standby that lags takes a transaction id that has committed for one that was
// never given out. It is not believed; the primary is.
func TestSettle_NotByAStandby(t *testing.T) {
	e, j := withFaulty(t, shop)
	primary := pgtest.Shared(t)
	standby, err := primary.Standby(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	pgtest.Exec(t, standby.URL("postgres"), "SELECT pg_wal_replay_pause()")
	j.forgetful.Store(true)
	mustExec(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM plain WHERE id <= 3")
	e.wantOutcome(journal.InDoubt)

	settle := func(c *pgtest.Cluster, until func() bool) {
		t.Helper()
		judge, err := guard.New(t.Context(), guard.Options{Policy: blockPolicy(), Journal: e.journal, Refresh: 10 * time.Millisecond,
			Logger: slog.New(slog.NewTextHandler(testWriter{t, &e.logs}, nil)),
			Control: func(ctx context.Context, database string) (catalog.Querier, func(), error) {
				conn, err := pgx.Connect(ctx, c.URL(database))
				if err != nil {
					return nil, nil, err
				}
				return catalog.FromConn(conn), func() { conn.Close(context.Background()) }, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { judge.Run(ctx); close(done) }()
		defer func() {
			cancel()
			<-done
		}()
		for deadline := time.Now().Add(pollTime); !until(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing happens")
			}
		}
	}
	settled := func() bool { return len(e.entries(journal.Filter{Outcome: journal.InDoubt})) == 0 }
	settle(standby, func() bool { return e.logs.count("the server is a standby") > 0 || settled() })
	e.wantOutcome(journal.InDoubt)
	settle(primary, settled)
	e.wantOutcome(journal.Committed)
}
