package guard_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/journal"
)

// Through the proxy the triggers of package protect leave everything to it; past
// it they hold their own limits.
func TestTriggers_LeaveWhatComesThroughToTheProxy(t *testing.T) {
	eachForm(t, blockPolicy(), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		admin := connect(t, e.direct, pgx.QueryExecModeExec)
		if _, err := protect.Install(t.Context(), admin, protect.InstallOptions{Tables: []string{"orders"}, Threshold: 10, Mode: protect.Block}); err != nil {
			t.Fatal(err)
		}
		e.control = func(ctx context.Context, _ string) (catalog.Querier, func(), error) {
			conn, err := pgx.Connect(ctx, e.direct)
			if err != nil {
				return nil, nil, err
			}
			return catalog.FromConn(conn), func() { conn.Close(context.Background()) }, nil
		}
		e.start(blockPolicy(), e.journal)
		through := e.connect(c.Config().DefaultQueryExecMode)
		e.grant(journal.Allowance{Rows: 25})
		passes(t, through, "DELETE FROM orders WHERE id <= 5")
		if n := countRows(t, e, "SELECT count(*) FROM rowback.evidence"); n != 0 {
			t.Errorf("the triggers recorded %d times what came through the proxy", n)
		}
		es := e.entries(journal.Filter{})
		if len(es) != 1 || es[0].Rows != 25 {
			t.Fatalf("entries %+v", es)
		}
		for _, tb := range es[0].Tables {
			if !tb.KeysCaptured {
				t.Errorf("%s: %s", tb.Name, tb.Why)
			}
		}
		refused(t, admin, "DELETE FROM orders WHERE id <= 10")
	})
}
