package sqlparse

import "testing"

func TestPrepared(t *testing.T) {
	for _, c := range []struct {
		sql    string
		verb   Verb
		target string
	}{
		{"PREPARE p AS DELETE FROM far WHERE id = 1", Delete, "far"},
		{`PREPARE "P" (int) AS DELETE FROM s.far WHERE id = $1`, Delete, "far"},
		{"PREPARE p AS WITH d AS (DELETE FROM far RETURNING 1) SELECT * FROM d", Nested, ""},
		{"PREPARE p AS SELECT 1", Plain, ""},
		{"DELETE FROM far", Unknown, ""},
		{"PREPARE p AS DELETE FROM far; SELECT 1", Unknown, ""},
		{"PREPARE p AS DELETE FRM far", Unknown, ""},
	} {
		got := Prepared(c.sql)
		if got.Verb != c.verb || got.Target.Name != c.target || c.verb == Nested && (len(got.Targets) != 1 || got.Targets[0].Name != "far") {
			t.Errorf("%s: %+v", c.sql, got)
		}
	}
}
