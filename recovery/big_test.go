package recovery

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// BenchmarkBig restores ROWS rows (10 million) of two tables, in one
// transaction and by batches, while another session writes to the same tables.
// It reports our own peak memory, which must not grow with the rows, and the
// longest that the other session waited for one of its commits.
func BenchmarkBig(b *testing.B) {
	rows := int64(10_000_000)
	if text := os.Getenv("ROWS"); text != "" {
		var err error
		if rows, err = strconv.ParseInt(text, 10, 64); err != nil {
			b.Fatal(err)
		}
	}
	parents := rows / 10
	l := newLab(b, `CREATE TABLE p (id bigint PRIMARY KEY, v text); CREATE TABLE c (id bigint PRIMARY KEY, p_id bigint NOT NULL REFERENCES p ON DELETE CASCADE, at timestamptz, amount numeric, note text)`,
		fmt.Sprintf(`INSERT INTO p SELECT i, 'parent ' || i FROM generate_series(0, %d) i; INSERT INTO c SELECT i, 1 + i %% %[1]d, 'epoch'::timestamptz + i * '1 s'::interval, i / 7.0, 'a note of some length about row ' || i FROM generate_series(1, %d) i`, parents, rows-parents),
		"CREATE INDEX ON c (p_id)").backup()
	l.exec("VACUUM ANALYZE")
	id := l.recordBig(parents, rows-parents)
	for _, batch := range []int64{0, 500_000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			for b.Loop() {
				l.exec("TRUNCATE p, c; INSERT INTO p VALUES (0, 'stays')")
				o := l.options(id)
				o.Batch, o.LockTimeout = batch, time.Minute
				waited, stop := l.scribble(rows)
				peak := peakMemory(b)
				began := time.Now()
				report := l.restore(o)
				took := time.Since(began)
				stop()
				if report.Restored != rows || !report.Complete() {
					b.Fatalf("%d restored of %d", report.Restored, rows)
				}
				b.ReportMetric(took.Seconds(), "s")
				b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
				b.ReportMetric(float64(peak())/1024, "peak-MiB")
				b.ReportMetric(waited().Seconds(), "writer-waited-s")
			}
		})
	}
}

// recordBig is the entry of a deletion of rows 1 to n of both tables.
func (l *lab) recordBig(parents, children int64) string {
	l.t.Helper()
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed, Database: l.name, Rows: parents + children}
	keys := journal.NewKeys(l.t.TempDir())
	defer keys.Close()
	for i, n := range []int64{parents, children} {
		e.Tables = append(e.Tables, journal.Table{Schema: "public", Name: []string{"p", "c"}[i], Rows: n, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "bigint"}}})
		for k := int64(1); k <= n; k++ {
			text := strconv.FormatInt(k, 10)
			if err := keys.Add(journal.Row{Table: i, Values: []*string{&text}}); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	if err := l.journal.Append(context.Background(), e, keys); err != nil {
		l.t.Fatal(err)
	}
	return e.ID
}

// scribble writes new rows to both tables, one after the other, until stop.
func (l *lab) scribble(above int64) (longest func() time.Duration, stop func()) {
	conn := l.connect()
	ended, end := make(chan struct{}), make(chan struct{})
	var most time.Duration
	go func() {
		defer close(ended)
		for i := above + 1; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(time.Millisecond):
			}
			began := time.Now()
			if _, err := conn.Exec(context.Background(), fmt.Sprintf("WITH x AS (INSERT INTO c VALUES (%d, 0)) UPDATE p SET v = v || '.' WHERE id = 0 AND length(v) < 100", i)); err != nil {
				l.t.Error(err)
				return
			}
			most = max(most, time.Since(began))
		}
	}()
	return func() time.Duration { return most }, func() { close(end); <-ended }
}

// peakMemory measures the process's largest resident size, in KiB, from now on.
func peakMemory(b *testing.B) func() int64 {
	runtime.GC()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
	return func() int64 {
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			b.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "VmHWM:")
		n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
}
