package sqlparse

import "testing"

func TestParse_ReadsTheTargetItself(t *testing.T) {
	for sql, want := range map[string]bool{
		"DELETE FROM t":                                            false,
		"DELETE FROM t WHERE id = 1":                               true,
		"DELETE FROM t WHERE t.id = 1":                             true,
		"DELETE FROM t x WHERE x.id = 1":                           true,
		"DELETE FROM s.t WHERE s.t.id = 1":                         true,
		"DELETE FROM t WHERE true OR random() < 2":                 false,
		"DELETE FROM t USING o WHERE o.v = 7":                      false,
		"DELETE FROM t USING o WHERE v = 7":                        false,
		"DELETE FROM t USING o WHERE o.v = t.id":                   true,
		"DELETE FROM t x USING o WHERE o.v = 7 AND x.id IS NULL":   true,
		"DELETE FROM t WHERE id IN (SELECT v FROM o)":              true,
		"DELETE FROM t WHERE 1 IN (SELECT v FROM o)":               false,
		"DELETE FROM t WHERE EXISTS (SELECT FROM o WHERE o.v = 7)": false,
		"DELETE FROM t WHERE CURRENT OF c":                         false,
	} {
		if got := Parse(sql)[0]; got.Verb != Delete || got.Reads != want {
			t.Errorf("%s: %v", sql, got.Reads)
		}
	}
}
