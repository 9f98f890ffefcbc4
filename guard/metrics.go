package guard

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/journal"
)

// Metrics are the guard's Prometheus collectors.
type Metrics struct {
	Removed       *prometheus.CounterVec // rows whose removal committed, by database and table
	Blocked       *prometheus.CounterVec // statements refused, by database
	BlockedRows   *prometheus.CounterVec // rows they would have removed, by database and table
	AlertedRows   *prometheus.CounterVec // rows of committed transactions over the limit, by database and table
	Alerts        *prometheus.CounterVec // transactions and statements over the limit, by database and outcome
	LastAlert     *prometheus.GaugeVec   // when the last of them was, by database and outcome
	Allowed       *prometheus.CounterVec // leaves under which transactions went over a limit, by database and how
	AllowedRows   *prometheus.CounterVec // rows removed under them, by database and how
	JournalErrors prometheus.Counter
	AlertsSent    *prometheus.CounterVec // deliveries of alerts, by sink and result

	Held  *prometheus.GaugeVec   // statements that wait for an operator, by database
	Holds *prometheus.CounterVec // those that waited, by database and how it ended

	Verdict   *prometheus.HistogramVec // time spent on reading the server's counters, by route
	Statement *prometheus.HistogramVec // time of guarded statements, by route
	Append    prometheus.Histogram     // time of appending to the journal
	Keys      *prometheus.CounterVec   // keys written to the journal, by database
	Guarding  prometheus.Gauge         // 1 while there is a judge

	pending pending
	series  series
}

// NewMetrics makes unregistered collectors.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "rowback", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "rowback", Name: name, Help: help}, labels)
	}
	// From 100 µs to 10 s, and for statements to over an hour.
	times := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "rowback", Name: name, Help: help, Buckets: buckets}
	}
	short, long := prometheus.ExponentialBucketsRange(1e-4, 10, 16), prometheus.ExponentialBucketsRange(1e-3, 4096, 16)
	return &Metrics{
		Removed:       counter("rows_removed_total", "Rows whose removal committed.", "database", "table"),
		Blocked:       counter("statements_blocked_total", "Statements refused with RB001.", "database"),
		BlockedRows:   counter("rows_blocked_total", "Rows that refused statements would have removed.", "database", "table"),
		AlertedRows:   counter("rows_alerted_total", "Rows removed by transactions that committed over a limit.", "database", "table"),
		Alerts:        counter("alerts_total", "Statements and transactions over the limit.", "database", "outcome"),
		LastAlert:     gauge("last_alert_timestamp_seconds", "When a statement or transaction was last over the limit.", "database", "outcome"),
		Allowed:       counter("allowances_used_total", "Leaves (allowance, hold, comment) under which committed transactions went over a limit.", "database", "how"),
		AllowedRows:   counter("rows_allowed_total", "Rows removed under such leaves.", "database", "how"),
		JournalErrors: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "rowback", Name: "journal_errors_total", Help: "Failed writes to the journal."}),
		AlertsSent:    counter("alert_deliveries_total", "Alert deliveries by sink and result (sent, failed, dropped, repeated).", "sink", "result"),

		Held:  gauge("statements_held", "Statements that wait for an operator now.", "database"),
		Holds: counter("holds_total", "Statements that waited for an operator, by how it ended (allowed, denied, expired, left).", "database", "state"),

		Verdict: prometheus.NewHistogramVec(times("verdict_seconds",
			"Time that judging adds to a guarded statement: the server's counters are read before and after it. Waiting for an operator is not in it.", short), []string{"route"}),
		Statement: prometheus.NewHistogramVec(times("guarded_statement_seconds",
			"Time that the server takes for a guarded statement, by route: capture (it also returns its rows' keys), take (they were read beforehand) or count.", long), []string{"route"}),
		Append: prometheus.NewHistogram(times("journal_append_seconds",
			"Time until an entry and its keys are durable; a commit waits for it.", short)),
		Keys:     counter("keys_captured_total", "Keys written to the journal.", "database"),
		Guarding: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "rowback", Name: "guarding", Help: "1 while statements are judged, 0 with mode off."}),

		pending: newPending(),
		series:  newSeries(),
	}
}

// Register registers all collectors.
func (m *Metrics) Register(r prometheus.Registerer) error {
	for _, c := range append(m.pending.collectors(), m.Removed, m.Blocked, m.BlockedRows, m.AlertedRows, m.Alerts, m.LastAlert, m.Allowed, m.AllowedRows,
		m.JournalErrors, m.AlertsSent, m.Held, m.Holds, m.Verdict, m.Statement, m.Append, m.Keys, m.Guarding) {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// AlertDelivered is what alert.Options.Delivered takes.
func (m *Metrics) AlertDelivered(sink string, r alert.Result, n int) {
	m.AlertsSent.WithLabelValues(sink, string(r)).Add(float64(n))
}

// opened begins a database's counters at 0: else its first block would be no increase.
func (m *Metrics) opened(database string) {
	database = m.series.database(database)
	m.Blocked.WithLabelValues(database)
	m.Held.WithLabelValues(database)
	for _, o := range []journal.Outcome{journal.Blocked, journal.Committed} {
		m.Alerts.WithLabelValues(database, string(o))
	}
}

func (m *Metrics) removed(e *journal.Entry) {
	m.rows(m.Removed, e)
	if e.Alert != "" {
		m.rows(m.AlertedRows, e)
	}
	for _, a := range e.Allowed {
		m.Allowed.WithLabelValues(m.series.database(e.Database), a.How).Inc()
		m.AllowedRows.WithLabelValues(m.series.database(e.Database), a.How).Add(float64(max(a.Rows, 0)))
	}
}

func (m *Metrics) blocked(e *journal.Entry) {
	m.Blocked.WithLabelValues(m.series.database(e.Database)).Inc()
	m.rows(m.BlockedRows, e)
}

func (m *Metrics) alerted(e *journal.Entry) {
	m.Alerts.WithLabelValues(m.series.database(e.Database), string(e.Outcome)).Inc()
	m.LastAlert.WithLabelValues(m.series.database(e.Database), string(e.Outcome)).Set(float64(e.Time.UnixMilli()) / 1e3)
}

func (m *Metrics) rows(v *prometheus.CounterVec, e *journal.Entry) {
	for _, t := range e.Tables {
		if !t.Removed() || t.Rows <= 0 {
			continue
		}
		database, table := m.series.table(e.Database, displayName(t))
		v.WithLabelValues(database, table).Add(float64(t.Rows))
	}
}

// meter times one guarded statement: what rowback adds to it, and it itself.
type meter struct {
	at    time.Time // when the present part began
	added time.Duration
	own   time.Duration
}

// begin starts with reading the counters.
func (t *meter) begin() { *t = meter{at: time.Now()} }

// statement: the counters have been read, what follows is the statement.
func (t *meter) statement() { t.lap(&t.added) }

// counters: the statement has ended, the counters are read again.
func (t *meter) counters() { t.lap(&t.own) }

// end notes it all.
func (t *meter) end(m *Metrics, route string) {
	t.lap(&t.added)
	m.Verdict.WithLabelValues(route).Observe(t.added.Seconds())
	m.Statement.WithLabelValues(route).Observe(t.own.Seconds())
}

func (t *meter) lap(to *time.Duration) {
	now := time.Now()
	*to += now.Sub(t.at)
	t.at = now
}

// maxSeries bounds the tables that metrics name, maxDatabases the databases;
// further ones count as "other".
const (
	maxSeries    = 500
	maxDatabases = 100
)

// series keeps the number of series small whatever tables come and go.
type series struct {
	// mu guards the rest.
	mu        *sync.Mutex
	databases map[string]bool
	tables    map[[2]string]bool
}

func newSeries() series {
	return series{mu: &sync.Mutex{}, databases: map[string]bool{}, tables: map[[2]string]bool{}}
}

const other = "other"

func (s *series) database(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD") // else the label panics
	s.mu.Lock()
	defer s.mu.Unlock()
	return bounded(s.databases, name, maxDatabases, other)
}

func (s *series) table(database, name string) (string, string) {
	database, name = s.database(database), strings.ToValidUTF8(name, "\uFFFD")
	s.mu.Lock()
	defer s.mu.Unlock()
	k := bounded(s.tables, [2]string{database, name}, maxSeries, [2]string{database, other})
	return k[0], k[1]
}

func bounded[K comparable](seen map[K]bool, k K, most int, instead K) K {
	if !seen[k] {
		if len(seen) >= most {
			return instead
		}
		seen[k] = true
	}
	return k
}
