package sqlparse

import "testing"

func TestParse_Temporary(t *testing.T) {
	for sql, want := range map[string]bool{
		"CREATE TEMP TABLE x (a int)":                        true,
		"CREATE TEMPORARY TABLE x AS SELECT 1":               true,
		"CREATE TABLE pg_temp.x (a int)":                     true,
		"CREATE TEMP VIEW x AS SELECT 1":                     true,
		"CREATE TEMP TABLE x () INHERITS (y)":                false, // as y then has other rows
		"SELECT 1 INTO TEMP x":                               true,
		"CREATE TABLE x (a int)":                             false,
		"CREATE UNLOGGED TABLE x AS SELECT 1":                false,
		"CREATE VIEW x AS SELECT 1":                          false,
		"SELECT 1 INTO x":                                    false,
		"ALTER TABLE x ADD b int":                            false,
		"SELECT 1":                                           false,
		"CREATE TEMP TABLE x AS SELECT 1; CREATE TABLE y ()": true,
	} {
		if got := Parse(sql)[0].Temporary; got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
}
