package sqlparse

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rowback/rowback/internal/pgtest"
)

const specialFixture = evil + `;
CREATE TABLE orders (id int8 PRIMARY KEY, v text);
CREATE TABLE payments (id int4 PRIMARY KEY, order_id int8 REFERENCES orders ON DELETE CASCADE);
CREATE INDEX ON payments (order_id);
INSERT INTO orders SELECT i, 'é' || i FROM generate_series(1, 3000) i;
INSERT INTO payments SELECT i, i % 3000 + 1 FROM generate_series(1, 30000) i;
CREATE TABLE kind (code text COLLATE "POSIX" PRIMARY KEY);
CREATE TABLE thing (id int4 PRIMARY KEY, code text COLLATE "C" REFERENCES kind ON DELETE CASCADE);
INSERT INTO kind VALUES ('a'), ('b'); INSERT INTO thing VALUES (1, 'a'), (2, 'b'), (3, 'a');
CREATE TABLE nokey (order_id int8 REFERENCES orders ON DELETE CASCADE, again int8 REFERENCES orders ON DELETE CASCADE);
INSERT INTO nokey VALUES (1, 1), (1, 1), (2, 1), (2, 2);
CREATE TABLE noted (id int4 PRIMARY KEY, order_id int8 REFERENCES orders ON DELETE CASCADE);
CREATE TABLE noted_child () INHERITS (noted);
INSERT INTO noted VALUES (1, 1); INSERT INTO noted_child VALUES (2, 1);
CREATE TABLE leafy (id int4, order_id int8 REFERENCES orders ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE leafy1 PARTITION OF leafy FOR VALUES FROM (0) TO (10);
CREATE TABLE leafy2 PARTITION OF leafy DEFAULT;
INSERT INTO leafy VALUES (1, 1), (11, 1), (12, 2);
ANALYZE;
`

func paymentsStep(columns ...string) Step {
	return Step{Schema: "public", Table: columns[0], Parent: 0, ParentColumns: []string{"id"}, Columns: []string{columns[1]}, Key: []KeyColumn{{"id", "int4"}}}
}

// specials opens a transaction on the fixture, rolled back at the end.
func specials(t *testing.T) *pgx.Conn {
	conn := connect(t, pgtest.Shared(t).URL(pgtest.Database(t, specialFixture)))
	t.Cleanup(func() { conn.Close(context.Background()) })
	run(t, conn, "BEGIN")
	return conn
}

// reported runs a DELETE in its captured form: our columns, joined, in order of appearance.
func reported(t *testing.T, conn *pgx.Conn, sql string, c Capture) []string {
	t.Helper()
	captured, err := parseDelete(t, sql).Capture(c)
	if err != nil {
		t.Fatal(err)
	}
	run(t, conn, "SAVEPOINT s")
	var lines []string
	for _, row := range run(t, conn, captured.SQL)[0].Rows {
		var out []string
		for i, v := range ours(captured, row) {
			if i != 1 && v != nil { // tableoid apart
				out = append(out, string(v))
			}
		}
		lines = append(lines, strings.Join(out, ":"))
	}
	run(t, conn, "ROLLBACK TO s")
	return lines
}

func TestCapture_KeylessTableByTwoPaths(t *testing.T) {
	conn := specials(t)
	a, b := paymentsStep("nokey", "order_id"), paymentsStep("nokey", "again")
	a.Key, b.Key = nil, nil
	compare(t, "", "rows", reported(t, conn, "DELETE FROM orders WHERE id = 1", Capture{Steps: []Step{ordersStep, a, b}}), []string{"0:1", "1", "1", "1"})
}

func TestCapture_CollationsThatDiffer(t *testing.T) {
	conn := specials(t)
	target := Step{Schema: "public", Table: "kind", Parent: -1, Key: []KeyColumn{{"code", "text"}}}
	child := Step{Schema: "public", Table: "thing", Parent: 0, ParentColumns: []string{"code"}, Columns: []string{"code"}, Key: []KeyColumn{{"id", "int4"}},
		Compare: []Compare{{Collation: `pg_catalog."POSIX"`}}}
	compare(t, "", "rows", reported(t, conn, "DELETE FROM kind WHERE code = 'a'", Capture{Steps: []Step{target, child}}), []string{"0:a", "1:1", "1:3"})
}

func TestCapture_OperatorOfTheForeignKey(t *testing.T) {
	conn := specials(t)
	child := paymentsStep("payments", "order_id")
	child.Compare = []Compare{{Operator: "evil.="}} // holds for no row
	compare(t, "", "rows", reported(t, conn, "DELETE FROM orders WHERE id = 7", Capture{Steps: []Step{ordersStep, child}}), []string{"0:7"})
}

func TestCapture_OnlyLeavesInheritanceChildrenOut(t *testing.T) {
	conn := specials(t)
	only := paymentsStep("noted", "order_id")
	only.Only = true
	compare(t, "", "rows", reported(t, conn, "DELETE FROM orders WHERE id = 1", Capture{Steps: []Step{ordersStep, only, paymentsStep("leafy", "order_id")}}),
		[]string{"0:1", "1:1", "2:1", "2:11"})
}

func TestCapture_WhereCurrentOf(t *testing.T) {
	conn := specials(t)
	run(t, conn, "DECLARE c CURSOR FOR SELECT * FROM orders WHERE id > 5 FOR UPDATE; FETCH c")
	got := reported(t, conn, "DELETE FROM orders WHERE CURRENT OF c", Capture{Steps: []Step{ordersStep}})
	if len(got) != 1 {
		t.Errorf("%q", got)
	}
	wrapped := reported(t, conn, "DELETE FROM orders WHERE CURRENT OF c", Capture{Steps: []Step{ordersStep, paymentsStep("noted", "order_id")}})
	compare(t, "", "rows", wrapped, got)
}

func TestCapture_ErrorPosition(t *testing.T) {
	ctx := context.Background()
	conn := specials(t)
	sql := "/* é */ DELETE FROM orders WHERE v = 'é' AND nothere = 1 RETURNING id"
	position := func(sql string) int {
		run(t, conn, "SAVEPOINT s")
		_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		run(t, conn, "ROLLBACK TO s")
		var e *pgconn.PgError
		if !errors.As(err, &e) {
			t.Fatalf("%v: %s", err, sql)
		}
		return int(e.Position)
	}
	for _, steps := range [][]Step{{ordersStep}, {ordersStep, paymentsStep("payments", "order_id")}} {
		captured, err := parseDelete(t, sql).Capture(Capture{Steps: steps, ClientColumns: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := position(captured.SQL)-captured.Shift, position(sql); got != want {
			t.Errorf("position %d, want %d", got, want)
		}
	}
}

// TestCapture_TakesTheIndexPath: no child table is read whole.
func TestCapture_TakesTheIndexPath(t *testing.T) {
	conn := specials(t)
	captured, err := parseDelete(t, "DELETE FROM orders WHERE id BETWEEN 1 AND 1500").Capture(Capture{Steps: []Step{ordersStep, paymentsStep("payments", "order_id")}})
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for _, row := range run(t, conn, "EXPLAIN "+captured.SQL)[0].Rows {
		plan.WriteString(string(row[0]) + "\n")
	}
	if strings.Contains(plan.String(), "Seq Scan on payments") || !strings.Contains(plan.String(), "payments_order_id_idx") {
		t.Error(plan.String())
	}
}
