package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// hook is a webhook's receiver.
type hook struct {
	*httptest.Server
	failures atomic.Int32 // this many posts are answered with 500
	got      chan []byte
}

func newHook(t *testing.T) *hook {
	h := &hook{got: make(chan []byte, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.Header.Get("Content-Type"), err)
		}
		if h.failures.Add(-1) >= 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		h.got <- body
	}))
	t.Cleanup(h.Close)
	return h
}

// next is the entry of the next alert.
func (h *hook) next(t *testing.T) (text string, e *journal.Entry) {
	t.Helper()
	var n struct {
		Text  string
		Entry *journal.Entry
	}
	select {
	case body := <-h.got:
		if err := json.Unmarshal(body, &n); err != nil || n.Entry == nil || n.Text == "" {
			t.Fatalf("%v: %s", err, body)
		}
	case <-time.After(pollTime):
		t.Fatal("no alert came")
	}
	return n.Text, n.Entry
}

// newAlerts has one webhook, which is told of each alert apart.
func newAlerts(url string, m *guard.Metrics) *guard.Alerts {
	c := alert.WebhookAt(url)
	c.Sinks[0].Repeat = -1
	return alert.New(c, alert.Options{Delivered: m.AlertDelivered})
}

// startAlerts delivers to url until stop is called, or the test ends.
func startAlerts(t *testing.T, url string, m *guard.Metrics) (a *guard.Alerts, stop func()) {
	t.Helper()
	a = newAlerts(url, m)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return a, stop
}

// withAlerts is an env whose proxy delivers alerts to url.
func withAlerts(t *testing.T, p policy.Policy, url string) (e *env, stop func()) {
	t.Helper()
	e = newEnv(t, p, shop)
	e.alerts, stop = startAlerts(t, url, e.metrics)
	e.start(p, e.journal)
	return e, stop
}

// scrape is what /metrics would say, but for times and series of zero, with the database's name as DB.
func (e *env) scrape() string {
	e.t.Helper()
	r := prometheus.NewRegistry()
	if err := e.metrics.Register(r); err != nil {
		e.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var out []string
	for line := range strings.Lines(strings.ReplaceAll(w.Body.String(), e.database, "DB")) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0") && !strings.Contains(line, "_seconds") {
			out = append(out, strings.TrimPrefix(line, "rowback_"))
		}
	}
	return strings.Join(out, "\n")
}

// deliveries is a number of alerts by their result.
func (e *env) deliveries(result string) (n int) {
	for line := range strings.Lines(e.scrape()) {
		if _, err := fmt.Sscanf(line, `alert_deliveries_total{result="`+result+`",sink="webhook"} %d`, &n); err == nil {
			return n
		}
	}
	return 0
}

func TestAlert_Blocked(t *testing.T) {
	h := newHook(t)
	h.failures.Store(2) // it is tried again
	e, stop := withAlerts(t, blockPolicy(), h.URL)
	c := e.connect(pgx.QueryExecModeExec)
	_, err := c.Exec(context.Background(), "DELETE FROM plain WHERE id <= 40")
	wantCode(t, err, "RB001")
	text, x := h.next(t)
	stop()
	if x.Outcome != journal.Blocked || x.Rows != 40 || x.Database != e.database || x.User != "postgres" || len(x.Tables) != 1 || x.Tables[0].Name != "plain" {
		t.Errorf("%s: %+v", text, x)
	}
	if stored := e.entries(journal.Filter{}); len(stored) != 1 || stored[0].ID != x.ID {
		t.Errorf("the journal has %+v", stored)
	}
	equal(t, "metrics", strings.Split(e.scrape(), "\n"), []string{
		`alert_deliveries_total{result="sent",sink="webhook"} 1`,
		`alerts_total{database="DB",outcome="blocked"} 1`,
		`guarding 1`,
		`rows_blocked_total{database="DB",table="plain"} 40`,
		`statements_blocked_total{database="DB"} 1`,
	})
}

// Who reads that a statement was denied is not told how to let it through.
func TestAlert_DeniedByAnOperator(t *testing.T) {
	for state, want := range map[journal.HoldState]string{
		journal.Denied:  "To have it run all the same, ask dba, who denied it.",
		journal.Expired: "If it is meant: rowback allow --rows 40 ",
	} {
		t.Run(string(state), func(t *testing.T) {
			h := newHook(t)
			e, stop := withAlerts(t, holdPolicy(), h.URL)
			under := e.startHeld(pgx.QueryExecModeExec, nil, "DELETE FROM plain WHERE id <= 40")
			e.decide(e.waiting().ID, state, "")
			wantCode(t, <-under.done, "RB001")
			var n struct{ Kind, Next string }
			for n.Kind != "blocked" {
				select {
				case body := <-h.got:
					if err := json.Unmarshal(body, &n); err != nil {
						t.Fatal(err)
					}
				case <-time.After(pollTime):
					t.Fatal("no alert came")
				}
			}
			stop()
			if !strings.Contains(n.Next, want) || strings.Contains(n.Next, "rowback allow") != strings.Contains(want, "rowback allow") {
				t.Errorf("%s, want %s", n.Next, want)
			}
		})
	}
}

func TestAlert_CommittedOverTheLimit(t *testing.T) {
	ctx := context.Background()
	h := newHook(t)
	e, stop := withAlerts(t, alertPolicy(), h.URL)
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "DELETE FROM plain WHERE id <= 5") // within the limit: no alert
	for _, sql := range []string{"BEGIN", "DELETE FROM orders WHERE id <= 20", "ROLLBACK"} {
		mustExec(t, c, sql) // removed nothing: no alert
	}
	for _, sql := range []string{"BEGIN", "DELETE FROM orders WHERE id <= 20"} {
		mustExec(t, c, sql)
	}
	if len(h.got) != 0 {
		t.Error("an alert before anything has committed")
	}
	if _, err := c.Exec(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	text, x := h.next(t)
	stop()
	if x.Outcome != journal.Committed || x.Rows != 100 || x.Alert == "" || len(x.Statements) != 1 || x.Statements[0].Tag != "DELETE 20" {
		t.Errorf("%s: %+v", text, x)
	}
	equal(t, "metrics", strings.Split(e.scrape(), "\n"), []string{
		`alert_deliveries_total{result="sent",sink="webhook"} 1`,
		`alerts_total{database="DB",outcome="committed"} 1`,
		`guarding 1`,
		`keys_captured_total{database="DB"} 125`,
		`rows_alerted_total{database="DB",table="orders"} 20`,
		`rows_alerted_total{database="DB",table="payments"} 40`,
		`rows_alerted_total{database="DB",table="refunds"} 40`,
		`rows_removed_total{database="DB",table="orders"} 20`,
		`rows_removed_total{database="DB",table="payments"} 40`,
		`rows_removed_total{database="DB",table="plain"} 5`,
		`rows_removed_total{database="DB",table="refunds"} 40`,
	})
	if len(h.got) != 0 {
		t.Errorf("%d more alerts came", len(h.got))
	}
}

// A hook that hangs costs alerts, never a session; and the proxy ends all the same.
func TestAlert_HookHangs(t *testing.T) {
	const alerts = 300 // more than the queue takes
	release := make(chan struct{})
	h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(h.Close)
	t.Cleanup(func() { close(release) })
	e, stop := withAlerts(t, blockPolicy(), h.URL)
	c := e.connect(pgx.QueryExecModeExec)
	for range alerts { // each would wait for good if alerts held sessions up
		_, err := c.Exec(context.Background(), "DELETE FROM plain")
		wantState(t, err, "RB001")
	}
	if e.deliveries("dropped") == 0 {
		t.Error("no alert was dropped: the queue has no bound")
	}
	stop()
	if n := e.deliveries("dropped") + e.deliveries("failed"); n != alerts {
		t.Errorf("%d alerts dropped or failed, want all %d accounted for", n, alerts)
	}
}

// What is queued when the proxy ends is delivered first.
func TestAlert_DeliveredAtTheEnd(t *testing.T) {
	h := newHook(t)
	e := newEnv(t, blockPolicy(), shop)
	e.alerts = newAlerts(h.URL, e.metrics)
	e.start(blockPolicy(), e.journal)
	c := e.connect(pgx.QueryExecModeExec)
	for range 20 {
		_, err := c.Exec(context.Background(), "DELETE FROM plain")
		wantState(t, err, "RB001")
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	e.alerts.Run(ended)
	if len(h.got) != 20 || e.deliveries("sent") != 20 {
		t.Errorf("%d of 20 came", len(h.got))
	}
}

// People are told of a deletion however its outcome comes to be known.
func TestAlert_OfWhatIsSettledLater(t *testing.T) {
	h := newHook(t)
	e, _ := withAlerts(t, alertPolicy(), h.URL)
	j := &faulty{Journal: e.journal}
	e.start(alertPolicy(), j)
	c := e.connect(pgx.QueryExecModeExec)
	want := func(rows int64) {
		t.Helper()
		e.settle()
		if _, x := h.next(t); x.Outcome != journal.Committed || x.Rows != rows {
			t.Errorf("alert of %d rows, %s, want %d, committed", x.Rows, x.Outcome, rows)
		}
	}
	for _, sql := range []string{"BEGIN", "DELETE FROM orders WHERE id <= 20", "PREPARE TRANSACTION '" + e.database + "'", "COMMIT PREPARED '" + e.database + "'"} {
		mustExec(t, c, sql)
	}
	want(100)
	j.forgetful.Store(true)
	mustExec(t, c, "DELETE FROM plain WHERE id <= 30")
	j.forgetful.Store(false)
	want(30)
	j.deaf.Store(true)
	mustExec(t, c, "DELETE FROM plain WHERE id BETWEEN 31 AND 70")
	j.deaf.Store(false)
	e.look()
	want(40)
	for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id > 70", "PREPARE TRANSACTION '" + e.database + "'"} {
		mustExec(t, c, sql)
	}
	j.deaf.Store(true)
	mustExec(t, c, "COMMIT PREPARED '"+e.database+"'")
	e.look()
	j.deaf.Store(false)
	e.look()
	want(30)
	if got := e.scrape(); !strings.Contains(got, `alerts_total{database="DB",outcome="committed"} 4`) {
		t.Error(got)
	}
}

// Of processes that have an entry in their care, one tells.
func TestAlert_OfWhatTwoHaveInTheirCare(t *testing.T) {
	h := newHook(t)
	e, _ := withAlerts(t, alertPolicy(), h.URL)
	c, first := e.connect(pgx.QueryExecModeExec), e.url
	for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id <= 40", "PREPARE TRANSACTION '" + e.database + "'"} {
		mustExec(t, c, sql)
	}
	e.start(alertPolicy(), e.journal)
	pgtest.Exec(t, e.direct, "COMMIT PREPARED '"+e.database+"'")
	e.look()
	e.url = first
	e.look()
	mustExec(t, c, "DELETE FROM plain WHERE id BETWEEN 41 AND 60")
	for _, want := range []int64{40, 20} {
		if _, x := h.next(t); x.Rows != want {
			t.Errorf("alert of %d rows, want %d", x.Rows, want)
		}
	}
}
