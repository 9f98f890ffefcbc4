package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

func TestMain(m *testing.M) { pgtest.Main(m, pgtest.Options{Unsafe: true}) }

const shopSQL = `
	CREATE TABLE regions (id int PRIMARY KEY, parent_id int REFERENCES regions ON DELETE SET NULL);
	CREATE TABLE customers (id int PRIMARY KEY, region_id int REFERENCES regions, best_order_id int);
	CREATE TABLE products (id int PRIMARY KEY);
	CREATE TABLE coupons (code text PRIMARY KEY, used_by int);
	CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, gift_for int REFERENCES customers ON DELETE SET NULL, coupon text REFERENCES coupons);
	CREATE TABLE order_items (order_id int REFERENCES orders ON DELETE CASCADE, product_id int REFERENCES products ON DELETE RESTRICT, n int, PRIMARY KEY (order_id, product_id));
	CREATE TABLE payments (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
	CREATE TABLE refunds (id int PRIMARY KEY, payment_id int REFERENCES payments ON DELETE CASCADE, order_id int);
	CREATE TABLE shipments (id int, order_id int, product_id int, at date, FOREIGN KEY (order_id, product_id) REFERENCES order_items ON DELETE CASCADE) PARTITION BY RANGE (at);
	CREATE TABLE shipments_1 PARTITION OF shipments FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
	CREATE TABLE shipments_2 PARTITION OF shipments DEFAULT;
	CREATE SCHEMA audit;
	CREATE TABLE audit."Log <&> ""Entries""" (id int PRIMARY KEY, "the ""order""" int);
	CREATE TABLE settings (name text PRIMARY KEY);
	CREATE TABLE ledger (id int PRIMARY KEY);
	ALTER TABLE coupons ADD FOREIGN KEY (used_by) REFERENCES orders ON DELETE SET NULL;
	ALTER TABLE customers ADD FOREIGN KEY (best_order_id) REFERENCES orders ON DELETE SET DEFAULT;
	ALTER TABLE refunds ADD CONSTRAINT refunds_order FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE NOT VALID;
	ALTER TABLE audit."Log <&> ""Entries""" ADD CONSTRAINT "log; -> x" FOREIGN KEY ("the ""order""") REFERENCES orders;
	INSERT INTO settings VALUES ('a'), ('b');
	ANALYZE`

// loaded are the catalogs that sql makes; they do not change.
var loaded = map[string]*catalog.Snapshot{}

// build draws a graph of a database in which sql has run.
func build(t *testing.T, sql string, o Options) *Graph {
	t.Helper()
	if loaded[sql] == nil {
		s, err := recovery.Open(t.Context(), "production", pgtest.Shared(t).URL(pgtest.Database(t, sql)), "test")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if loaded[sql], err = s.Catalog(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g, err := Build(loaded[sql], o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *Graph) names() string {
	var out []string
	for _, t := range g.Tables {
		out = append(out, t.Name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func entry(outcome journal.Outcome) *journal.Entry {
	return &journal.Entry{ID: "01JY2M8ABCDEFGHJKMNPQRSTVW", Outcome: outcome, Rows: 12, Tables: []journal.Table{
		{Schema: "public", Name: "payments", Rows: 3, Via: journal.Direct},
		{Schema: "public", Name: "refunds", Rows: 7, Via: journal.Cascade},
		{Schema: "public", Name: "refunds", Rows: 1000, Via: journal.Direct},
		{Schema: "public", Name: "coupons", Rows: 5, Via: journal.SetNull},
		{Schema: "public", Name: "dropped", Rows: 2, Via: journal.Drop},
	}}
}

func TestBuild_AroundTables(t *testing.T) {
	for _, c := range []struct {
		tables []string
		depth  int
		want   string
	}{
		{nil, 0, `Log <&> "Entries" coupons customers ledger order_items orders payments products refunds regions settings shipments`},
		{[]string{"payments"}, 0, "payments"},
		{[]string{"payments"}, 1, "orders payments refunds"},
		{[]string{"shipments_1"}, 1, "order_items shipments"},
		{[]string{"products", "ledger"}, 2, "ledger order_items orders products shipments"},
	} {
		if got := build(t, shopSQL, Options{Tables: c.tables, Depth: c.depth}).names(); got != c.want {
			t.Errorf("%v, depth %d: %s, want %s", c.tables, c.depth, got, c.want)
		}
	}
}

func TestBuild_PartitionsAreOneNode(t *testing.T) {
	g := build(t, `
		CREATE TABLE up (id int PRIMARY KEY);
		CREATE TABLE parts (id int, up int, at int) PARTITION BY LIST (at);
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
		CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
		ALTER TABLE parts_1 ADD FOREIGN KEY (up) REFERENCES up ON DELETE CASCADE;
		ALTER TABLE parts_2 ADD FOREIGN KEY (up) REFERENCES up ON DELETE CASCADE`, Options{Tables: []string{"up"}, Depth: 1})
	if g.names() != "parts up" || len(g.Keys) != 1 || g.Tables[1].Partitions != 2 {
		t.Errorf("%s, %d keys", g.names(), len(g.Keys))
	}
}

func TestBuild_Incident(t *testing.T) {
	g := build(t, shopSQL, Options{Incident: entry(journal.Committed), Depth: 0})
	if g.names() != "coupons payments refunds" {
		t.Errorf("%s", g.names())
	}
	var out bytes.Buffer
	if err := g.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 removed (direct)", "1,007 removed (cascade, direct)", "5 cut loose", "dropped is not shown: 2 rows", "Incident 01JY2M8ABCDEFGHJKMNPQRSTVW: 12 rows, committed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	uncounted := &journal.Entry{ID: "01JY2M8ABCDEFGHJKMNPQRSTVW", Kind: journal.Deletion, Outcome: journal.Committed, Dropped: "rental"}
	if err := build(t, shopSQL, Options{Incident: uncounted}).WriteText(&out); err != nil || !strings.Contains(out.String(), ": rows that nobody could count, committed") {
		t.Errorf("%v: %s", err, &out)
	}
	if err := build(t, shopSQL, Options{Incident: entry(journal.Blocked)}).WriteText(&out); err != nil || !strings.Contains(out.String(), "3 would be removed (direct)") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestWriteText(t *testing.T) {
	var out bytes.Buffer
	if err := build(t, shopSQL, Options{}).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SET NULL     regions (parent_id), the table itself", "CASCADE      refunds (order_id), not valid",
		"CASCADE      shipments (order_id, product_id)", `NO ACTION    audit."Log <&> ""Entries""" (the "order")`, "12 tables, 14 foreign keys", "settings  ~2 rows\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestWriteJSON(t *testing.T) {
	var out bytes.Buffer
	if err := build(t, shopSQL, Options{Incident: entry(journal.Committed), Depth: 1}).WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Incident string
		Tables   []struct {
			Table   string
			Removed int
			Cut     int
		}
		ForeignKeys []struct {
			Table    string
			Parent   string
			OnDelete string `json:"on_delete"`
		} `json:"foreign_keys"`
	}
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(back); !strings.Contains(text, "{refunds 1007 0}") || !strings.Contains(text, "{coupons orders set_null}") || back.Incident == "" {
		t.Errorf("%s", text)
	}
}
