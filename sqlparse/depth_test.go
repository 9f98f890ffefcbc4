package sqlparse

import (
	"strings"
	"testing"
)

// TestParse_DeepNesting: what nests deep enough to overflow the C stack is
// Unknown; before the check these texts ended the process.
func TestParse_DeepNesting(t *testing.T) {
	for _, n := range []int{4_000, 60_000} {
		r := func(s string) string { return strings.Repeat(s, n) }
		for name, sql := range map[string]string{
			"operators": "SELECT 1" + r("+1"), "unary": "SELECT " + r("- ") + "1", "not": "SELECT " + r("NOT ") + "true",
			"union": "SELECT 1" + r(" UNION SELECT 1"), "union with lists": "SELECT 1, 2 WHERE a AND b" + r(" UNION SELECT 1, 2 WHERE a AND b"),
			"subselects": "SELECT " + r("(SELECT ") + "1" + r(")"), "joins": "SELECT * FROM a" + r(" JOIN b ON x AND y"),
			"case": "SELECT " + r("CASE WHEN a AND b THEN ") + "1" + r(" END"), "calls": "SELECT " + r("f(") + "1" + r(")"),
			"casts": "SELECT a" + r("::int"), "is null": "SELECT a" + r(" IS NULL"), "collate": "SELECT a" + r(" COLLATE x"),
			"between": "SELECT a" + r(" BETWEEN 1 AND 2 IS NULL"), "arrays": "SELECT " + r("ARRAY[") + "1" + r("]"),
			"with":     r("WITH a AS (") + "SELECT 1" + r(") SELECT 1"),
			"deletes":  "DELETE FROM t WHERE a" + r("||a"),
			"unparsed": "GARBAGE; SELECT a" + r(" IS NULL"),
		} {
			all := Parse(sql)
			if len(all) == 0 || n > maxDepth && all[len(all)-1].Verb != Unknown {
				t.Errorf("%s, %d times: %s", name, n, summaries(all))
			}
		}
	}
}

func TestParse_LongIsNotDeep(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"DELETE FROM t WHERE id = 1" + strings.Repeat(" OR (id = 2 AND v = 'x')", 5_000), "Delete t where"},
		{"DELETE FROM t WHERE id IN (1" + strings.Repeat(", 2", 50_000) + ")", "Delete t where"},
		{"INSERT INTO t VALUES (1, -1, 'a' || 'b')" + strings.Repeat(", (1, -1, 'a' || 'b')", 5_000), "Plain"},
		{"DELETE FROM t" + strings.Repeat("; SELECT 1 + 1 + 1", 5_000), "Delete t" + strings.Repeat("; Plain", 5_000)},
	} {
		if got := summaries(Parse(c.sql)); got != c.want {
			t.Errorf("%.40s…: %.80s", c.sql, got)
		}
	}
}
