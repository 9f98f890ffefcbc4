package sqlparse

import (
	"errors"
	"strings"
	"testing"
)

var ordersStep = Step{Schema: "public", Table: "orders", Parent: -1, Key: []KeyColumn{{"id", "int8"}}}

func parseDelete(tb testing.TB, sql string) Statement {
	tb.Helper()
	all := Parse(sql)
	if len(all) != 1 || all[0].Verb != Delete {
		tb.Fatalf("%s is %s", sql, summaries(all))
	}
	return all[0]
}

func TestCapture_Suffix(t *testing.T) {
	columns := map[string]string{ // beside what the client returns all may be asked for in binary
		",":         `'0'::pg_catalog.text, %."tableoid"::pg_catalog.text, (%."id")::pg_catalog.text`,
		"RETURNING": `%."tableoid", %."id"`,
	}
	for _, c := range []struct{ sql, text, word, qualifier string }{
		{`DELETE FROM orders WHERE id = 1;`, `DELETE FROM orders WHERE id = 1`, "RETURNING", `"orders"`},
		{`DELETE FROM Orders -- all`, `DELETE FROM Orders -- all`, "RETURNING", `"orders"`},
		{`DELETE FROM app.orders AS "O ""1" RETURNING *`, `DELETE FROM app.orders AS "O ""1" RETURNING *`, ",", `"O ""1"`},
		{`DELETE FROM orders USING old.orders`, `DELETE FROM orders USING old.orders`, "RETURNING", `"public"."orders"`},
		{`DELETE FROM app.orders USING (a JOIN old.orders ON true)`, `DELETE FROM app.orders USING (a JOIN old.orders ON true)`, "RETURNING", `"app"."orders"`},
		{`DELETE FROM orders USING old.orders o`, `DELETE FROM orders USING old.orders o`, "RETURNING", `"orders"`},
	} {
		got, err := parseDelete(t, c.sql).Capture(Capture{Steps: []Step{ordersStep}})
		if err != nil {
			t.Fatal(err)
		}
		want := c.text + "\n" + c.word + " " + strings.ReplaceAll(columns[c.word], "%", c.qualifier)
		if got.SQL != want || got.Width != map[bool]int{false: 3, true: 2}[got.Bare] || got.Wrapped || got.Shift != 0 {
			t.Errorf("%s\n got %+v\nwant %s", c.sql, got, want)
		}
	}
}

func TestCapture_ShiftIsWhereTheClientsTextStands(t *testing.T) {
	self := ordersStep
	self.Self, self.SelfParent, self.SelfColumns = true, []string{"id"}, []string{"parent_id"}
	s := parseDelete(t, "/* caf\u00e9 */ DELETE FROM orders RETURNING id, v")
	got, err := s.Capture(Capture{Steps: []Step{self}, ClientColumns: 2})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Wrapped || !strings.HasPrefix(got.SQL[got.Shift:], s.Text) || strings.Trim(got.SQL[:got.Shift], "\x00\x7f") == "" {
		t.Errorf("%+v", got)
	}
}

func TestCapture_Refusals(t *testing.T) {
	child := func(table string, parent int) Step {
		return Step{Schema: "public", Table: table, Parent: parent, ParentColumns: []string{"id"}, Columns: []string{"fk"}, Key: []KeyColumn{{"id", "int4"}}}
	}
	cut := child("n", 0)
	cut.Old = []KeyColumn{{"fk", "int4"}}
	typed := ordersStep
	typed.Key = []KeyColumn{{"id", "_timestamptz"}}
	uneven := child("a", 0)
	uneven.Columns = nil
	for _, c := range []struct {
		sql   string
		steps []Step
		want  error
	}{
		{`DELETE FROM orders`, []Step{typed}, ErrKeyType},
		{`DELETE FROM orders RETURNING *`, []Step{ordersStep, child("a", 0)}, ErrColumns},
		{`DELETE FROM orders`, nil, ErrStep},
		{`DELETE FROM orders`, []Step{ordersStep, uneven}, ErrStep},
		{`DELETE FROM orders`, []Step{ordersStep, cut, child("a", 1)}, ErrStep},
	} {
		if got, err := parseDelete(t, c.sql).Capture(Capture{Steps: c.steps}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v\n%s", c.sql, err, c.want, got.SQL)
		}
	}
	for _, s := range Parse(`TRUNCATE orders; WITH d AS (DELETE FROM orders) SELECT 1`) {
		if _, err := s.Capture(Capture{Steps: []Step{ordersStep}}); !errors.Is(err, ErrNotDelete) {
			t.Errorf("%s: %v", s.Text, err)
		}
	}
}
