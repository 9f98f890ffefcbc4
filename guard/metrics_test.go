package guard

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rowback/rowback/journal"
)

// value is a metric's value, of a histogram the number of its samples; 0 if it has no such series.
func value(t *testing.T, m *Metrics, name string, labels ...string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := m.Register(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, s := range f.Metric {
			if f.GetName() == "rowback_"+name && strings.Join(values(s), " ") == strings.Join(labels, " ") {
				return s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

func values(s *dto.Metric) (out []string) {
	for _, l := range s.Label {
		out = append(out, l.GetValue())
	}
	return out
}

func wantValue(t *testing.T, m *Metrics, want float64, name string, labels ...string) {
	t.Helper()
	if got := value(t, m, name, labels...); got != want {
		t.Errorf("%s %q: %g, want %g", name, labels, got, want)
	}
}

func openMetered(t *testing.T) (metered, *Metrics) {
	t.Helper()
	j, err := journal.Open(t.Context(), t.TempDir(), journal.Options{Proxy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	m := NewMetrics()
	return metered{j, m}, m
}

func TestMetered_EntriesInDoubt(t *testing.T) {
	j, m := openMetered(t)
	ctx := t.Context()
	old := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().Add(-time.Hour), Kind: journal.Deletion, Outcome: journal.InDoubt, Database: "shop"}
	young := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now(), Kind: journal.Deletion, Outcome: journal.InDoubt, Database: "shop"}
	refused := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now(), Kind: journal.Deletion, Outcome: journal.Blocked, Database: "shop"}
	for _, e := range []*journal.Entry{old, young, refused} {
		if err := j.Append(ctx, e, nil); err != nil {
			t.Fatal(err)
		}
	}
	wantValue(t, m, 3, "journal_append_seconds")
	wantValue(t, m, 2, "entries_in_doubt")
	if age := value(t, m, "oldest_in_doubt_seconds"); age < 3600 {
		t.Errorf("the oldest is %g s old", age)
	}
	if err := j.Settle(ctx, old.ID, journal.Committed); err != nil {
		t.Fatal(err)
	}
	if age := value(t, m, "oldest_in_doubt_seconds"); age >= 3600 {
		t.Errorf("the oldest is %g s old", age)
	}
	// Another proxy was faster.
	if err := j.Journal.Settle(ctx, young.ID, journal.Committed); err != nil {
		t.Fatal(err)
	}
	if err := j.Settle(ctx, young.ID, journal.RolledBack); !errors.Is(err, journal.ErrSettled) {
		t.Fatal(err)
	}
	wantValue(t, m, 0, "entries_in_doubt")
	wantValue(t, m, 0, "oldest_in_doubt_seconds")
}

func TestMetered_Holds(t *testing.T) {
	j, m := openMetered(t)
	ctx := t.Context()
	hold := func() string {
		h := &journal.Hold{ID: journal.NewID(time.Now()), Time: time.Now(), Expires: time.Now().Add(time.Hour), Database: "shop", State: journal.Waiting}
		if err := j.Hold(ctx, h); err != nil {
			t.Fatal(err)
		}
		return h.ID
	}
	allowed, left, waits := hold(), hold(), hold()
	wantValue(t, m, 3, "statements_held", "shop")
	// An operator's answer comes past the guard, which then reads it, maybe twice.
	if _, err := j.Journal.Decide(ctx, allowed, journal.Granted, "eve", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{waits, allowed, allowed} {
		if _, err := j.HoldByID(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Decide(ctx, left, journal.Left, "", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, m, 1, "statements_held", "shop")
	wantValue(t, m, 1, "holds_total", "shop", "allowed")
	wantValue(t, m, 1, "holds_total", "shop", "left")
}

func TestMetrics_RowsByTable(t *testing.T) {
	m := NewMetrics()
	e := &journal.Entry{Database: "shop", Alert: "over", Allowed: []journal.Allowed{{How: "hold", Rows: 7}}, Tables: []journal.Table{
		{Schema: "public", Name: "orders", Rows: 5, Via: journal.Direct}, {Schema: "audit", Name: "log", Rows: 2, Via: journal.Cascade},
		{Schema: "public", Name: "orders", Rows: 3, Via: journal.Cascade}, {Schema: "public", Name: "kept", Rows: 9, Via: journal.SetNull}, {Schema: "public", Name: "kept", Rows: 9, Via: journal.Update},
	}}
	m.removed(e)
	e.Alert = ""
	m.removed(e)
	wantValue(t, m, 16, "rows_removed_total", "shop", "orders")
	wantValue(t, m, 4, "rows_removed_total", "shop", "audit.log")
	wantValue(t, m, 8, "rows_alerted_total", "shop", "orders")
	wantValue(t, m, 0, "rows_removed_total", "shop", "kept")
	wantValue(t, m, 2, "allowances_used_total", "shop", "hold")
	wantValue(t, m, 14, "rows_allowed_total", "shop", "hold")
}

func TestMetrics_CardinalityIsBounded(t *testing.T) {
	m := NewMetrics()
	for i := range 3 * maxSeries {
		e := &journal.Entry{Database: fmt.Sprint("d", i), Tables: []journal.Table{{Name: fmt.Sprint("t", i), Rows: 1}}}
		m.removed(e)
		m.blocked(e)
		m.alerted(e)
	}
	r := prometheus.NewRegistry()
	if err := m.Register(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.Metric); n > maxSeries+maxDatabases+1 {
			t.Errorf("%s has %d series", f.GetName(), n)
		}
	}
	wantValue(t, m, 2*maxSeries, "rows_removed_total", "other", "other")
	wantValue(t, m, 3*maxSeries-maxDatabases, "statements_blocked_total", "other")
}
