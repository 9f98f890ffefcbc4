package guard_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics_GuardedStatementsByRoute(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop, "CREATE FUNCTION purge() RETURNS void LANGUAGE sql AS 'DELETE FROM plain WHERE id = 1'")
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"SELECT 1", "DELETE FROM orders WHERE id <= 2", "DELETE FROM orders WHERE id <= 4", "SELECT purge()", "TRUNCATE plain"} {
		if _, err := c.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	r := prometheus.NewRegistry()
	if err := e.metrics.Register(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		if f.GetName() != "rowback_verdict_seconds" && f.GetName() != "rowback_guarded_statement_seconds" {
			continue
		}
		for _, s := range f.Metric {
			route := s.Label[0].GetValue()
			if n, want := s.GetHistogram().GetSampleCount(), map[string]uint64{"capture": 2, "count": 1, "take": 1}[route]; n != want {
				t.Errorf("%s, %s: %d statements, want %d", f.GetName(), route, n, want)
			}
			seen++
		}
	}
	if seen != 6 {
		t.Errorf("%d series, want 6", seen)
	}
}
