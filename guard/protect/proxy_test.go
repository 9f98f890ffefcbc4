package protect_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// proxied is a connection through a proxy in alert mode, with its journal.
func (l *lab) proxied() (*pgx.Conn, journal.Journal) {
	l.t.Helper()
	j := l.journal()
	judge, err := guard.New(l.t.Context(), guard.Options{Policy: policy.Uniform(policy.Alert, 1000), Journal: j, Proxy: "test"})
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := proxy.New(proxy.Options{Listen: "127.0.0.1:0", Upstream: "postgres://" + pgtest.Shared(l.t).Addr() + "/?sslmode=disable", Judge: judge, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		l.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
	})
	c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", s.Addr(), l.name))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c, j
}

// The proxy takes the triggers for what they are: code that removes nothing.
func TestProxy_CapturesKeysOfGuardedTables(t *testing.T) {
	l := newLab(t, shop, partitioned, oddNames)
	l.install(protect.InstallOptions{All: true, Threshold: 100000})
	c, j := l.proxied()
	if err := try(c, "BEGIN; DELETE FROM orders WHERE id <= 10; DELETE FROM events WHERE id < 3; COMMIT"); err != nil {
		t.Fatal(err)
	}
	e := entries(t, j)[0]
	var sums []string
	for _, x := range e.Tables {
		sums = append(sums, fmt.Sprint(x.Name, " ", x.Via, " ", x.Rows, " ", x.KeysCaptured, x.Why))
	}
	equal(t, "the proxy's entry", sums, []string{"orders direct 10 true", "audit_logs cascade 50 true", "payments cascade 20 true", "refunds cascade 20 true", "events direct 3 true"})
	if got := keys(t, j, e); len(got) != 103 {
		t.Errorf("%d keys", len(got))
	}

	// That proxy had no secret, so the triggers counted beside it: the journal has
	// the transaction once, another one gets it from the triggers.
	if err := try(l.conn, "DELETE FROM orders WHERE id = 50"); err != nil {
		t.Fatal(err)
	}
	l.collect(j, protect.CollectOptions{Journal: "a"})
	if all := entries(t, j); len(all) != 2 || all[0].Proxy != protect.InDatabase || all[0].Rows != 10 || all[1].ID != e.ID {
		t.Errorf("%+v", all)
	}
	if done := l.collect(l.journal(), protect.CollectOptions{Journal: "b"}); done.Entries != 2 {
		t.Errorf("%+v", done)
	}

	snap, err := catalog.Load(t.Context(), catalog.FromConn(l.conn))
	if err != nil {
		t.Fatal(err)
	}
	if r := snap.Reach; len(r.Names)+len(r.Reads)+len(r.Unseen)+len(r.Commits) > 0 || r.Deferred != "" || r.DDL != "" || r.Everything != "" {
		t.Errorf("statements that were plain are so no longer: %+v", r)
	}
	for _, table := range snap.Tables {
		if len(table.UnsafeTriggers) > 0 {
			t.Errorf("%s: %v", table.QuotedName(), table.UnsafeTriggers)
		}
	}
}
