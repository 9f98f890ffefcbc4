package incident

import (
	"context"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, pgtest.Options{Unsafe: true}) }

func TestPublished_AddsUp(t *testing.T) {
	if got := Published.Lost(); got != 50_382 {
		t.Errorf("the published incident lost 50,382 rows, not %d", got)
	}
}

func TestMassDelete_RemovesExactlyTheSize(t *testing.T) {
	for name, size := range map[string]Size{"small": Small, "published": Published} {
		t.Run(name, func(t *testing.T) {
			conn := loaded(t, size)
			check(t, conn, func(s Share) int64 { return s.Rows }, size)
			if _, err := conn.Exec(t.Context(), MassDelete); err != nil {
				t.Fatal(err)
			}
			check(t, conn, func(s Share) int64 { return s.Rows - s.Lost }, size)
		})
	}
}

func TestLoad_SameSizeSameRows(t *testing.T) {
	one, two := sums(t, loaded(t, Small)), sums(t, loaded(t, Small))
	if !maps.Equal(one, two) {
		t.Errorf("%v\n%v", one, two)
	}
}

func TestLoad_LeavesUsableSequences(t *testing.T) {
	conn := loaded(t, Small)
	if _, err := conn.Exec(t.Context(), "INSERT INTO orders (customer_id, number, total) VALUES (1, 'R', 1)"); err != nil {
		t.Fatal(err)
	}
	next, err := Sequences(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if next["orders"] != Small.Orders.Rows+2 || next["refunds"] != Small.Refunds.Rows+1 {
		t.Errorf("%v", next)
	}
}

func TestChecksums_SeeEveryChange(t *testing.T) {
	conn := loaded(t, Small)
	before := sums(t, conn)
	for table, sql := range map[string]string{
		"customers":  "UPDATE customers SET preferences = '{}' WHERE id = 7",
		"orders":     "UPDATE orders SET note = coalesce(note, '') || '.' WHERE id = 7",
		"payments":   "UPDATE payments SET captured_at = captured_at + interval '1 microsecond' WHERE id = 7",
		"refunds":    "INSERT INTO refunds SELECT 1000000, payment_id, amount, reason, requested_at FROM refunds WHERE id = 7",
		"audit_logs": "DELETE FROM audit_logs WHERE id = 7",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if after := sums(t, conn); after[table] == before[table] {
			t.Errorf("not seen: %s", sql)
		}
	}
}

func TestChecksums_DependOnContentsAlone(t *testing.T) {
	conn := loaded(t, Small)
	before := sums(t, conn)
	for _, sql := range []string{
		"UPDATE orders SET note = note WHERE id % 3 = 0", "CLUSTER payments USING payments_order_id_idx",
		"SET TimeZone = 'Asia/Tokyo'", "SET DateStyle = 'German'",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if after := sums(t, conn); !maps.Equal(before, after) {
		t.Errorf("%v\n%v", before, after)
	}
}

func TestSize_RefusesOrphans(t *testing.T) {
	for _, s := range []Size{
		{},
		{Customers: 1, Orders: Share{1, 0}, Payments: Share{2, 1}},
		{Customers: 1, Orders: Share{1, 1}, Payments: Share{2, 1}},
		{Customers: 1, Orders: Share{1, 2}},
	} {
		if s.check() == nil {
			t.Errorf("%+v", s)
		}
	}
}

func loaded(t *testing.T, s Size) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.Shared(t).URL(pgtest.Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if err := Load(t.Context(), conn, s); err != nil {
		t.Fatal(err)
	}
	return conn
}

func check(t *testing.T, conn *pgx.Conn, want func(Share) int64, s Size) {
	t.Helper()
	for _, table := range Tables {
		var n int64
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != want(s.Share(table)) {
			t.Errorf("%s: %d rows, want %d", table, n, want(s.Share(table)))
		}
	}
}

func sums(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	m, err := Checksums(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
