package guard

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/journal"
)

// maxSeries bounds the tables that metrics name; further ones count as "other".
const maxSeries = 500

// Metrics are the guard's Prometheus collectors.
type Metrics struct {
	Removed       *prometheus.CounterVec // rows whose removal committed, by database and table
	Blocked       *prometheus.CounterVec // statements refused, by database
	BlockedRows   *prometheus.CounterVec // rows they would have removed, by database and table
	Alerts        *prometheus.CounterVec // transactions and statements over the limit, by database and mode
	JournalErrors prometheus.Counter
	AlertsSent    *prometheus.CounterVec // deliveries of alerts, by sink and result

	// mu guards series.
	mu     sync.Mutex
	series map[string]bool
}

// NewMetrics makes unregistered collectors.
func NewMetrics() *Metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "rowback", Name: name, Help: help}, labels)
	}
	return &Metrics{
		Removed:       vec("rows_removed_total", "Rows whose removal committed.", "database", "table"),
		Blocked:       vec("statements_blocked_total", "Statements refused with RB001.", "database"),
		BlockedRows:   vec("rows_blocked_total", "Rows that refused statements would have removed.", "database", "table"),
		Alerts:        vec("alerts_total", "Statements and transactions over the limit.", "database", "outcome"),
		JournalErrors: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "rowback", Name: "journal_errors_total", Help: "Failed writes to the journal."}),
		AlertsSent:    vec("alert_deliveries_total", "Alert deliveries by sink and result (sent, failed, dropped, repeated).", "sink", "result"),
		series:        map[string]bool{},
	}
}

// Register registers all collectors.
func (m *Metrics) Register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.Removed, m.Blocked, m.BlockedRows, m.Alerts, m.JournalErrors, m.AlertsSent} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// AlertDelivered is what alert.Options.Delivered takes.
func (m *Metrics) AlertDelivered(sink string, r alert.Result) {
	m.AlertsSent.WithLabelValues(sink, string(r)).Inc()
}

func (m *Metrics) removed(e *journal.Entry) { m.rows(m.Removed, e) }

func (m *Metrics) blocked(e *journal.Entry) {
	m.Blocked.WithLabelValues(e.Database).Inc()
	m.rows(m.BlockedRows, e)
}

func (m *Metrics) rows(v *prometheus.CounterVec, e *journal.Entry) {
	for _, t := range e.Tables {
		if t.Via == journal.SetNull || t.Via == journal.SetDef || t.Rows <= 0 {
			continue
		}
		v.WithLabelValues(e.Database, m.bounded(e.Database, displayName(t))).Add(float64(t.Rows))
	}
}

// bounded keeps the number of series small whatever tables come and go.
func (m *Metrics) bounded(database, table string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := database + "\x00" + table
	if m.series[k] {
		return table
	}
	if len(m.series) >= maxSeries {
		return "other"
	}
	m.series[k] = true
	return table
}
