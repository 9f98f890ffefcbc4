package catalog

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// bigSchema makes tables of ten columns, each with a key, a sequence and a
// foreign key, and a function and a trigger for every tenth.
func bigSchema(tb testing.TB, tables int) *pgx.Conn {
	tb.Helper()
	conn := database(tb, "CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM t1; RETURN NULL; END'")
	for from := 1; from <= tables; from += 500 {
		var sql strings.Builder
		for i := from; i < from+500 && i <= tables; i++ {
			link := ""
			if i > 1 {
				link = fmt.Sprintf(" REFERENCES t%d ON DELETE CASCADE", i/2)
			}
			fmt.Fprintf(&sql, "CREATE TABLE t%d (id bigserial PRIMARY KEY, a text, b int NOT NULL DEFAULT 0, c timestamptz DEFAULT now(), d numeric(10,2), e jsonb, f bool, g text[], h uuid, parent bigint%s);\n", i, link)
			if i%10 == 0 {
				fmt.Fprintf(&sql, "CREATE FUNCTION f%d(x int) RETURNS int LANGUAGE plpgsql AS $$DECLARE n int; BEGIN SELECT count(*) INTO n FROM t%d WHERE b = x; INSERT INTO t%d (b) VALUES (n); RETURN n; END$$;\n", i, i, i)
				fmt.Fprintf(&sql, "CREATE TRIGGER tr AFTER UPDATE ON t%d FOR EACH ROW EXECUTE FUNCTION purge();\n", i)
			}
		}
		run(tb, conn, sql.String())
	}
	return conn
}

func TestLoad_TwoThousandTables(t *testing.T) {
	conn := bigSchema(t, 2000)
	q := &counting{Querier: FromConn(conn)}
	s, err := Load(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if q.queries > 5 {
		t.Errorf("%d queries", q.queries)
	}
	// The tables with triggers, the functions that write to them, purge, the built-in ones that run text.
	if want := 200 + 200 + 1 + len(textRunners()); len(s.Tables) != 2000 || len(s.Reach.Names) != want || s.Reach.Names["t51"] != "" {
		t.Errorf("%d tables, %d names", len(s.Tables), len(s.Reach.Names))
	}
	if touched, all := s.Touched(lookup(t, s, "t1")); len(touched) != 2000 || all {
		t.Errorf("%d tables touched, all %v", len(touched), all)
	}
	for _, x := range s.Tables {
		if len(x.Columns) != 10 || len(x.Key) != 1 || x.Columns[0].Sequence == "" {
			t.Fatalf("%+v", x)
		}
	}
}

type counting struct {
	Querier
	queries int
}

func (c *counting) Query(ctx context.Context, sql string) ([][]*string, error) {
	c.queries++
	return c.Querier.Query(ctx, sql)
}

// BenchmarkLoad reports what a snapshot of 10,000 tables costs in time and in
// memory that stays; BenchmarkFingerprint what its freshness costs.
func BenchmarkLoad(b *testing.B) {
	conn := bigSchema(b, 10000)
	b.Run("10000 tables", func(b *testing.B) {
		b.ReportAllocs()
		var s *Snapshot
		before := heap()
		for b.Loop() {
			s = load(b, conn)
		}
		b.ReportMetric(float64(heap()-before)/1e6, "MB-kept")
		runtime.KeepAlive(s)
	})
	b.Run("fingerprint", func(b *testing.B) {
		for b.Loop() {
			fingerprint(b, conn)
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
