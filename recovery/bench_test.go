package recovery

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/incident"
	"github.com/rowback/rowback/journal"
)

// lostSQL makes a table of the lost keys of each table of the incident.
const lostSQL = `
	CREATE TABLE lost_orders AS SELECT id FROM orders WHERE is_test;
	CREATE TABLE lost_payments AS SELECT id FROM payments WHERE order_id IN (SELECT id FROM lost_orders);
	CREATE TABLE lost_refunds AS SELECT id FROM refunds WHERE payment_id IN (SELECT id FROM lost_payments);
	CREATE TABLE lost_audit_logs AS SELECT id FROM audit_logs WHERE order_id IN (SELECT id FROM lost_orders);
	ANALYZE`

// BenchmarkRestore restores the incident's 50,382 rows, with all verification
// and evidence, in turn with its yardstick: COPY of the same rows by known keys
// in binary form with triggers off, and nothing else. The ratio carries over
// to other machines, the times do not.
func BenchmarkRestore(b *testing.B) {
	l := newLab(b)
	production := l.side(l.production)
	if err := incident.Load(context.Background(), production.conn, incident.Published); err != nil {
		b.Fatal(err)
	}
	production.conn.Close(context.Background())
	l.backup()
	production, recovery := l.side(l.production), l.side(l.recovery)
	recovery.must(b, lostSQL)
	id := l.recordLost(recovery)
	var ours, raw time.Duration
	for b.Loop() {
		production.must(b, incident.MassDelete+"; VACUUM ANALYZE")
		began := time.Now()
		report := l.restore(l.options(id))
		ours += time.Since(began)
		if report.Restored != incident.Published.Lost() || !report.Complete() {
			b.Fatalf("%+v", report)
		}
		production.must(b, incident.MassDelete+"; VACUUM ANALYZE")
		began = time.Now()
		rawCopy(b, production, recovery)
		raw += time.Since(began)
	}
	n := float64(b.N)
	b.ReportMetric(float64(ours.Milliseconds())/n, "restore-ms/op")
	b.ReportMetric(float64(raw.Milliseconds())/n, "rawcopy-ms/op")
	b.ReportMetric(float64(ours)/float64(raw), "restore/rawcopy")
}

func (s *side) must(tb testing.TB, sql string) {
	tb.Helper()
	for one := range strings.SplitSeq(sql, ";") {
		if err := s.exec(context.Background(), one); err != nil {
			tb.Fatal(err)
		}
	}
}

func rawCopy(b *testing.B, production, recovery *side) {
	production.must(b, "BEGIN; SET LOCAL session_replication_role = replica")
	total := int64(0)
	for _, t := range incident.Tables[1:] {
		n, err := pipe(context.Background(), recovery, "COPY (SELECT t.* FROM "+t+" t JOIN lost_"+t+" USING (id)) TO STDOUT (FORMAT binary)",
			production, "COPY "+t+" FROM STDIN (FORMAT binary)")
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	production.must(b, "COMMIT")
	if total != incident.Published.Lost() {
		b.Fatalf("%d rows", total)
	}
}

// recordLost writes the journal entry of the incident from the lost keys.
func (l *lab) recordLost(recovery *side) string {
	e := &journal.Entry{Database: l.name, Outcome: journal.Committed, Rows: incident.Published.Lost()}
	var rows []journal.Row
	for i, t := range incident.Tables[1:] {
		keys, err := recovery.rows(context.Background(), "SELECT id FROM lost_"+t)
		if err != nil {
			l.t.Fatal(err)
		}
		e.Tables = append(e.Tables, journal.Table{Schema: "public", Name: t, Rows: int64(len(keys)), Via: journal.Cascade, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "bigint"}}})
		for _, k := range keys {
			rows = append(rows, journal.Row{Table: i, Values: k})
		}
	}
	return l.record(e, rows...)
}
