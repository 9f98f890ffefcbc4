package sqlparse

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const softFixture = `
CREATE TABLE item (id int8, day date, name text, deleted bool, "Deleted At" timestamptz, n int4, PRIMARY KEY (id, day)) PARTITION BY RANGE (id);
CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (0) TO (100);
CREATE TABLE item_rest PARTITION OF item DEFAULT;
INSERT INTO item SELECT i, '2026-01-02', 'n' || i FROM unnest(ARRAY[1, 2, 3, 101, 102]) i;
CREATE SCHEMA x; CREATE TABLE x.item (id int8, name text); INSERT INTO x.item VALUES (2, 'other'), (2, 'twice'), (9, 'none');
CREATE TABLE parent (id int8 PRIMARY KEY, deleted bool); CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (3);
SET DateStyle = 'SQL, DMY';
`

var (
	itemStep   = Step{Schema: "public", Table: "item", Parent: -1, Key: []KeyColumn{{"id", "int8"}, {"day", "date"}}}
	itemSoft   = []KeyColumn{{"deleted", "bool"}, {"Deleted At", "timestamptz"}}
	parentStep = Step{Schema: "public", Table: "parent", Parent: -1, Key: []KeyColumn{{"id", "int8"}}}
)

// TestCapture_Update: the rows that an UPDATE changes, whether they are marked
// as deleted now, and the client's own columns and tag as they were.
func TestCapture_Update(t *testing.T) {
	conn := connect(t, pgtestURL(t, softFixture))
	run(t, conn, "BEGIN; SET LOCAL DateStyle = 'SQL, DMY'")
	for _, c := range []struct {
		sql  string
		step Step
		soft []KeyColumn
		want string // rows as table:key:mark
	}{
		{`UPDATE item SET deleted = true WHERE id < 3`, itemStep, itemSoft, "item_low:1:2026-01-02:t item_low:2:2026-01-02:t"},
		{`UPDATE item SET deleted = false, "Deleted At" = NULL WHERE id = 1 -- undo`, itemStep, itemSoft, "item_low:1:2026-01-02:f"},
		{`UPDATE item SET deleted = NULL WHERE id = 1`, itemStep, itemSoft, "item_low:1:2026-01-02:f"},
		{`UPDATE item SET deleted = id = 2, "Deleted At" = CASE WHEN id = 3 THEN now() END WHERE id < 100`, itemStep, itemSoft, "item_low:1:2026-01-02:f item_low:2:2026-01-02:t item_low:3:2026-01-02:t"},
		{`UPDATE item SET deleted = false, n = 0 WHERE id = 1`, itemStep, []KeyColumn{{"deleted", "bool"}, {"n", "int4"}}, "item_low:1:2026-01-02:t"},
		{`UPDATE item AS "It em" SET "Deleted At" = now() WHERE "It em".id > 100 RETURNING "It em".name, 1 AS id`, itemStep, itemSoft, "item_rest:101:2026-01-02:t item_rest:102:2026-01-02:t"},
		{`UPDATE item SET deleted = true FROM x.item o WHERE o.id = item.id RETURNING o.id`, itemStep, itemSoft, "item_low:2:2026-01-02:t"},
		{`UPDATE item SET deleted = true FROM x.item WHERE public.item.id = x.item.id`, itemStep, itemSoft, "item_low:2:2026-01-02:t"},
		{`WITH w AS (SELECT 3 AS id) UPDATE item SET deleted = true FROM w WHERE w.id = item.id RETURNING item.*`, itemStep, itemSoft, "item_low:3:2026-01-02:t"},
		{`WITH i AS (INSERT INTO x.item VALUES (3) RETURNING id) UPDATE item SET deleted = true FROM i WHERE i.id = item.id`, itemStep, itemSoft, "item_low:3:2026-01-02:t"},
		{`UPDATE item_low SET (deleted, name) = (SELECT true, 'x') WHERE id = 1`, itemStep, itemSoft, "item_low:1:2026-01-02:t"},
		{`UPDATE item SET id = 200 WHERE id = 1`, itemStep, nil, "item_rest:200:2026-01-02"},
		{`UPDATE parent SET deleted = true RETURNING id`, parentStep, itemSoft[:1], "parent:1:t parent:2:t child:3:t"},
		{`UPDATE ONLY parent SET deleted = true`, parentStep, itemSoft[:1], "parent:1:t parent:2:t"},
		{`UPDATE item SET deleted = true WHERE false`, itemStep, itemSoft, ""},
	} {
		captured, err := Parse(c.sql)[0].Capture(Capture{Steps: []Step{c.step}, Soft: c.soft})
		if err != nil {
			t.Fatalf("%s: %v", c.sql, err)
		}
		run(t, conn, "SAVEPOINT s")
		bare := run(t, conn, c.sql)[0]
		run(t, conn, "ROLLBACK TO s")
		result := run(t, conn, captured.SQL)[0]
		run(t, conn, "ROLLBACK TO s")
		var rows, client, want []string
		for _, row := range result.Rows {
			ours := row[len(row)-captured.Width:]
			table := run(t, conn, "SELECT "+string(ours[1])+"::regclass")[0].Rows[0][0]
			line := string(table)
			for _, v := range ours[2:] {
				line += ":" + string(v)
			}
			if string(ours[0]) != "0" {
				t.Errorf("%s: step %s", c.sql, ours[0])
			}
			rows = append(rows, line)
			client = append(client, fmt.Sprintf("%q", row[:len(row)-captured.Width]))
		}
		compare(t, captured.SQL, "rows", rows, strings.Fields(c.want))
		if strings.Contains(c.sql, "RETURNING") && !strings.Contains(c.sql, "INSERT") {
			for _, row := range bare.Rows {
				want = append(want, fmt.Sprintf("%q", row))
			}
			compare(t, captured.SQL, "client columns", client, want)
		}
		if captured.Wrapped || captured.Shift != 0 || bare.CommandTag != result.CommandTag {
			t.Errorf("%s: %s, captured %s, %+v", c.sql, bare.CommandTag, result.CommandTag, captured)
		}
	}
}

func TestCapture_UpdateRefusals(t *testing.T) {
	child := Step{Schema: "public", Table: "a", Parent: 0, ParentColumns: []string{"id"}, Columns: []string{"fk"}, Key: []KeyColumn{{"id", "int4"}}}
	self := ordersStep
	self.Self, self.SelfParent, self.SelfColumns = true, []string{"id"}, []string{"up"}
	typed := ordersStep
	typed.Key = []KeyColumn{{"id", "_timestamptz"}}
	for _, c := range []struct {
		sql   string
		steps []Step
		want  error
	}{
		{`UPDATE orders SET v = 1`, []Step{ordersStep, child}, ErrStep},
		{`UPDATE orders SET v = 1`, []Step{self}, ErrStep},
		{`UPDATE orders SET v = 1`, nil, ErrStep},
		{`UPDATE orders SET v = 1`, []Step{typed}, ErrKeyType},
		{`EXPLAIN ANALYZE UPDATE orders SET v = 1`, []Step{ordersStep}, ErrNotDelete},
		{`WITH u AS (UPDATE orders SET v = 1) SELECT 1`, []Step{ordersStep}, ErrNotDelete},
		{`WITH d AS (DELETE FROM a) UPDATE orders SET v = 1`, []Step{ordersStep}, ErrNotDelete},
	} {
		if got, err := Parse(c.sql)[0].Capture(Capture{Steps: c.steps}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v\n%s", c.sql, err, c.want, got.SQL)
		}
	}
}
