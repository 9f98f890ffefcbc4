package sqlparse

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/pgtest"
)

var (
	pStep     = Step{Schema: "public", Table: "p", Parent: -1, Key: []KeyColumn{{"id", "int4"}}}
	probeOdds = `
CREATE TABLE "using" (id int PRIMARY KEY, "where" text, "returning" int, "from" int[]);
INSERT INTO "using" SELECT i, 'w' || i % 3, i % 5, ARRAY[i] FROM generate_series(1, 30) i;
CREATE TABLE x.p (id int); INSERT INTO x.p VALUES (1), (4);`
)

// probeCases are texts whose rows a probe must find, as a SELECT of other shape.
var probeCases = []struct {
	sql       string
	functions string
}{
	{"DELETE FROM p", ""},
	{"DELETE FROM p -- all", ""},
	{"/* a */ DELETE /* b */ FROM /* c */ ONLY /* d */ ( /* e */ p /* f */ ) /* g */ WHERE (id = 1) -- h", ""},
	{"DELETE FROM ONLY (p) AS d USING c WHERE d.id = c.p_id", ""},
	{"DELETE FROM p * victim WHERE victim.id > 2 RETURNING purge_unused()", ""},
	{"DELETE FROM inh", ""},
	{"DELETE FROM ONLY inh", ""},
	{"DELETE FROM pt WHERE id < 100", ""},
	{"DELETE FROM pv WHERE v <> 'a'", ""},
	{`DELETE FROM "Odd ""Name" WHERE "Odd ""Name".id = 1`, ""},
	{`DELETE FROM U&"!0070" UESCAPE '!' WHERE U&"\0069d" = 1`, ""},
	{`DELETE FROM p WHERE v = E'it\'s' OR v = $$a$$ OR v = $x$ USING $x$`, ""},
	{`DELETE FROM "using" WHERE "using"."where" = 'w1' RETURNING "using"."from"`, ""},
	{`DELETE FROM "using" AS "Using" USING p WHERE "Using".returning = p.id AND "Using".where <> 'w2' AND "Using".from[1] > 3`, ""},
	{`DELETE FROM "using" u WHERE id = (SELECT max(x.id) FROM "using" x WHERE x.where IS DISTINCT FROM u.where)`, "max"},
	{`DELETE FROM "using" USING p JOIN c USING (id) WHERE "using".id = c.p_id`, ""},
	{`DELETE FROM "using" USING "using" twin WHERE "using".id < twin.id AND "using".where = twin.where`, ""},
	{"DELETE FROM p USING c, n", ""},
	{"DELETE FROM p USING c WHERE c.p_id = p.id", ""},
	{"DELETE FROM p USING c WHERE p_id = p.id", ""},
	{"DELETE FROM p USING (SELECT p_id FROM c WHERE p_id IN (SELECT id FROM p WHERE v = 'a')) s WHERE id = s.p_id", ""},
	{"DELETE FROM public.p USING x.p WHERE public.p.id = x.p.id", ""},
	{"DELETE FROM p USING generate_series(1, 2) AS g(i), ROWS FROM (generate_series(2, 5)) AS h(j) WHERE id = i AND i = h.j", "generate_series"},
	{"DELETE FROM p WHERE ctid = ANY (ARRAY(SELECT ctid FROM p LIMIT 2))", ""},
	{"DELETE FROM p WHERE p.* = (SELECT r FROM p r WHERE id = 3)", ""},
	{"DELETE FROM p WHERE EXISTS (SELECT FROM c WHERE c.p_id = p.id GROUP BY p_id HAVING count(*) > 1)", "count"},
	{"DELETE FROM p WHERE pg_catalog.LENGTH(v) + \"abs\"(id) > 3 AND CASE WHEN id = 4 THEN true ELSE coalesce(id > 1) END", "abs,length"},
	{"WITH w AS (SELECT 1 AS id) -- one\nDELETE FROM p USING w WHERE p.id = w.id", ""},
	{"WITH RECURSIVE w(i) AS (SELECT 1 UNION SELECT i + 1 FROM w WHERE i < 2) SEARCH DEPTH FIRST BY i SET delete CYCLE i SET \"from\" USING path DELETE FROM p USING w WHERE id = i", ""},
	{"WITH p AS (SELECT 1 AS id) DELETE FROM p WHERE id IN (SELECT id FROM p)", ""},
	{"WITH p AS (SELECT 1 AS id) DELETE FROM ONLY (p) WHERE id IN (TABLE p)", ""},
	{"WITH d AS (SELECT 1 AS t), x AS (SELECT lower(v) FROM p) DELETE FROM p AS r USING d, x WHERE r.id = d.t", "lower"},
	{"DELETE FROM p WHERE CASE WHEN id > 2 THEN v END IS NOT DISTINCT FROM 'd'", ""},

	{"UPDATE p SET v = 'x'", ""},
	{"UPDATE ONLY p SET v = upper(v) WHERE id > 1 RETURNING purge_unused()", ""},
	{"UPDATE p * SET v = 'x' -- all", ""},
	{"UPDATE p AS set SET v = 'x' WHERE set.id > 1", ""},
	{"UPDATE p q SET v = 'x' WHERE q.id > 1", ""},
	{`UPDATE U&"!0070" UESCAPE '!' AS U&"q!0021" UESCAPE '!' SET v = 'x' WHERE id < 4`, ""},
	{"UPDATE ONLY (public.p) q SET v = 'x' FROM c WHERE q.id = c.p_id", ""},
	{"UPDATE p SET v = CASE WHEN p.id IS DISTINCT FROM 1 THEN 'a' END, id = p.id FROM c, ROWS FROM (generate_series(1, 3)) g WHERE p.id = c.p_id AND g = 1", "generate_series"},
	{"UPDATE \"using\" SET \"from\"[1] = \"using\".returning, \"where\" = (SELECT v FROM p WHERE id = 1), \"returning\" = DEFAULT WHERE \"using\".where = 'w1'", ""},
	{"UPDATE \"using\" SET \"where\" = \"using\".id IS DISTINCT FROM \"returning\" FROM p WHERE p.id = \"returning\"", ""},
	{"UPDATE p SET (v, id) = (SELECT 'x', p.id FROM c WHERE c.p_id = p.id LIMIT 1) WHERE id < 3", ""},
	{"WITH w AS (SELECT 2 AS id) UPDATE p SET v = 'x' FROM w WHERE p.id = w.id", ""},
}

// TestProbe_TextForms: whatever the text looks like, the probe counts the rows
// that the statement says it has removed or changed.
func TestProbe_TextForms(t *testing.T) {
	conn := connect(t, pgtestURL(t, fixture+probeOdds))
	run(t, conn, "BEGIN")
	for _, c := range probeCases {
		if v := pgtest.Shared(t).Version(); v < 14 && strings.Contains(c.sql, "SEARCH DEPTH") {
			t.Logf("not run on PostgreSQL %d: %s", v, c.sql)
			continue
		}
		s := Parse(c.sql)[0]
		probe, err := s.Probe(Capture{Steps: []Step{pStep}}, 1000)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if got := strings.Join(probe.Functions, ","); got != c.functions {
			t.Errorf("%s\ncalls %s, want %s", c.sql, got, c.functions)
		}
		if err := tryRun(conn, probe.SQL); err != nil {
			t.Errorf("%s\n%s: %v", c.sql, probe.SQL, err)
			run(t, conn, "ROLLBACK; BEGIN")
			continue
		}
		got := probed(t, conn, probe)[0]
		run(t, conn, "SAVEPOINT s")
		want := int(run(t, conn, c.sql)[0].CommandTag.RowsAffected())
		run(t, conn, "ROLLBACK TO s")
		if got != want {
			t.Errorf("%s\nprobe says %d, the statement %d\n%s", c.sql, got, want, probe.SQL)
		}
	}
}

// TestProbe_TakesTheStatementsParameters: of whatever type the server infers,
// in whatever format, also those of RETURNING and SET alone.
func TestProbe_TakesTheStatementsParameters(t *testing.T) {
	ctx := context.Background()
	conn := connect(t, pgtestURL(t, fixture))
	for _, c := range []struct {
		sql    string
		values [][]byte
		format []int16
		want   string
	}{
		{"DELETE FROM p WHERE id <= $1", [][]byte{{0, 0, 0, 2}}, []int16{1}, "2"},
		{"DELETE FROM p WHERE id = ANY ($2) AND v = $1 RETURNING id, $3::timestamptz, $4::numeric", [][]byte{[]byte("b"), []byte("{1,2}"), nil, nil}, nil, "1"},
		{"DELETE FROM p USING c WHERE c.p_id = p.id AND p.v <> $2 AND $1", [][]byte{[]byte("t"), []byte("z")}, nil, "2"},
		{"WITH w AS (SELECT $2::int AS id) DELETE FROM p USING w WHERE p.id >= w.id AND p.id < $1", [][]byte{[]byte("4"), []byte("2")}, nil, "2"},
		{"UPDATE p SET v = $1 WHERE id > $2 RETURNING $3::text", [][]byte{[]byte("x"), []byte("1"), nil}, nil, "3"},
	} {
		probe, err := Parse(c.sql)[0].Probe(Capture{Steps: []Step{pStep}}, 100)
		if err != nil {
			t.Fatal(err)
		}
		described, err := conn.PgConn().Prepare(ctx, "", c.sql, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.PgConn().Prepare(ctx, "probe", probe.SQL, described.ParamOIDs); err != nil {
			t.Fatalf("%v\n%s", err, probe.SQL)
		}
		result := conn.PgConn().ExecPrepared(ctx, "probe", c.values, c.format, nil).Read()
		if result.Err != nil || len(result.Rows) != 1 || string(result.Rows[0][1]) != c.want {
			t.Errorf("%s: %q, %v", c.sql, result.Rows, result.Err)
		}
		run(t, conn, "DEALLOCATE probe")
	}
}

// TestProbe_StopsEarly: with a condition that everything meets, and cascades
// through several tables, little is read.
func TestProbe_StopsEarly(t *testing.T) {
	conn := connect(t, pgtestURL(t, specialFixture+`
ALTER TABLE orders ADD up int8 REFERENCES orders ON DELETE CASCADE; CREATE INDEX ON orders (up);
UPDATE orders SET up = id - 1 WHERE id > 1;`))
	run(t, conn, "VACUUM ANALYZE orders")
	self := ordersStep
	self.Self, self.SelfParent, self.SelfColumns = true, []string{"id"}, []string{"up"}
	for _, c := range []struct {
		sql   string
		steps []Step
		want  map[int]int
	}{
		{"DELETE FROM orders WHERE id > 0", []Step{ordersStep}, map[int]int{0: 50}},
		{"DELETE FROM payments", []Step{paymentsTarget}, map[int]int{0: 50}},
		{"UPDATE payments SET order_id = NULL WHERE order_id IS NOT NULL", []Step{paymentsTarget}, map[int]int{0: 50}},
		{"DELETE FROM orders WHERE v <> ''", []Step{ordersStep, paymentsStep("payments", "order_id")}, map[int]int{0: 50}},
		{"DELETE FROM orders WHERE id BETWEEN 10 AND 12", []Step{ordersStep, paymentsStep("payments", "order_id")}, map[int]int{0: 3, 1: 30}},
		{"DELETE FROM orders WHERE id BETWEEN 10 AND 16", []Step{ordersStep, paymentsStep("payments", "order_id")}, map[int]int{0: 7, 1: 43}},
		{"DELETE FROM orders WHERE id = 1", []Step{self, paymentsStep("payments", "order_id")}, map[int]int{0: 50}},
		{"DELETE FROM orders WHERE id = 2998", []Step{self, paymentsStep("payments", "order_id")}, map[int]int{0: 3, 1: 30}},
		{"DELETE FROM orders USING payments WHERE payments.order_id = orders.id", []Step{ordersStep}, map[int]int{0: 50}},
	} {
		probe, err := Parse(c.sql)[0].Probe(Capture{Steps: c.steps}, 50)
		if err != nil {
			t.Fatal(err)
		}
		run(t, conn, "BEGIN")
		before := rowsRead(t, conn) // by earlier transactions, where not flushed yet
		if got := probed(t, conn, probe); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.sql, got, c.want)
		}
		if n := rowsRead(t, conn) - before; n < 33 || n > 300 {
			t.Errorf("%s: %d rows and index entries read\n%s", c.sql, n, probe.SQL)
		}
		run(t, conn, "ROLLBACK")
	}
}

func rowsRead(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	sum := run(t, conn, "SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
	n, err := strconv.Atoi(string(sum[0].Rows[0][0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProbe_LocksNoRow(t *testing.T) {
	url := pgtestURL(t, fixture)
	conn, other := connect(t, url), connect(t, url)
	probe, err := parseDelete(t, "DELETE FROM p USING c WHERE c.p_id = p.id").Probe(Capture{Steps: []Step{pStep}}, 100)
	if err != nil {
		t.Fatal(err)
	}
	run(t, conn, "BEGIN")
	probed(t, conn, probe)
	run(t, other, "BEGIN; SELECT * FROM p, c FOR UPDATE NOWAIT; ROLLBACK")
}

func TestProbe_Refusals(t *testing.T) {
	child := func(table string, parent int) Step {
		return Step{Schema: "public", Table: table, Parent: parent, ParentColumns: []string{"id"}, Columns: []string{"fk"}, Key: []KeyColumn{{"id", "int4"}}}
	}
	one := []Step{ordersStep}
	for _, c := range []struct {
		sql   string
		steps []Step
		max   int64
		want  error
	}{
		{`DELETE FROM orders WHERE CURRENT OF c`, one, 9, ErrProbe},
		{`UPDATE orders SET v = 1 WHERE CURRENT OF c`, one, 9, ErrProbe},
		{`DELETE FROM orders WHERE id IN (SELECT id FROM orders LIMIT 5 FOR UPDATE SKIP LOCKED)`, one, 9, ErrProbe},
		{`WITH w AS (SELECT id FROM orders FOR KEY SHARE) DELETE FROM orders USING w WHERE w.id = orders.id`, one, 9, ErrProbe},
		{`WITH u AS (UPDATE a SET b = 1 RETURNING id) UPDATE orders SET v = 1 FROM u WHERE u.id = orders.id`, one, 9, ErrProbe},
		{`WITH d AS (DELETE FROM a) DELETE FROM orders`, one, 9, ErrProbe},
		{`WITH leaf AS (SELECT 1) DELETE FROM leaf`, one, 9, ErrProbe}, // whose root is named in the steps
		{`TRUNCATE orders`, one, 9, ErrProbe},
		{`SELECT 1`, one, 9, ErrProbe},
		{`EXPLAIN ANALYZE UPDATE orders SET v = 1`, one, 9, ErrProbe},
		{`DELETE FROM orders`, one, 0, ErrProbe},
		{`DELETE FROM orders`, []Step{ordersStep, child("a", 0), child("b", 1), child("a", 2)}, 9, ErrProbe},
		{`DELETE FROM orders`, []Step{ordersStep, child("a", 0), child("b", 1), child("a", 2)}, 9, ErrShape},
		{`DELETE FROM orders`, nil, 9, ErrStep},
		{`UPDATE orders SET v = 1`, []Step{ordersStep, child("a", 0)}, 9, ErrStep},
	} {
		if got, err := Parse(c.sql)[0].Probe(Capture{Steps: c.steps}, c.max); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v\n%s", c.sql, err, c.want, got.SQL)
		}
	}
}

var paymentsTarget = Step{Schema: "public", Table: "payments", Parent: -1, Key: []KeyColumn{{"id", "int4"}}}

func tryRun(conn *pgx.Conn, sql string) error {
	_, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
	return err
}

func pgtestURL(t *testing.T, ddl string) string {
	t.Helper()
	return pgtest.Shared(t).URL(pgtest.Database(t, ddl))
}
