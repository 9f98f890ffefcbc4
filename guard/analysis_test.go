package guard

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/catalog"
)

// A table whose triggers may set the search_path is read like any other; what writes
// to it, or deletes from it where those fire, may change what names mean, and so may what
// calls a function that sets it.
func TestAnalysis_WhatChangesNames(t *testing.T) {
	reads := map[string]catalog.Why{"tenant": "search_path"}
	v := newView(&catalog.Snapshot{Reach: catalog.Reach{RenamesReads: reads, Renames: map[string]catalog.Why{"tenant": "search_path", "audited": "search_path"}, RenamesRemovals: map[string]catalog.Why{"leaves": "search_path"}}})
	for sql, want := range map[string]bool{
		"SELECT * FROM audited": false, "DELETE FROM audited": false, "SELECT tenant('a')": true, "DELETE FROM audited WHERE tenant('a')": true,
		"UPDATE audited SET a = 1": true, "INSERT INTO audited VALUES (1)": true, "MERGE INTO audited USING x ON true WHEN MATCHED THEN DO NOTHING": true,
		"WITH w AS (INSERT INTO audited VALUES (1) RETURNING a) SELECT * FROM w": true, "COPY audited FROM STDIN": true, "DELETE FROM other": false, "EXECUTE p": true,
		"SELECT * FROM leaves": false, "INSERT INTO leaves VALUES (1)": false, "UPDATE leaves SET a = 1": false, "TRUNCATE leaves": false, "DELETE FROM leaves": true, `DELETE FROM "Leaves"`: true,
		"DELETE FROM other WHERE leaves IS NULL": false, "DELETE FROM other WHERE id IN (SELECT id FROM leaves)": false, "WITH w AS (DELETE FROM other RETURNING a) SELECT * FROM w, leaves": false,
		"WITH w AS (DELETE FROM leaves RETURNING a) SELECT * FROM w": true, "MERGE INTO leaves USING x ON true WHEN MATCHED THEN DELETE": true, "EXPLAIN ANALYZE DELETE FROM leaves": true, "DO 'BEGIN DELETE FROM leaves; END'": true,
	} {
		a := v.analyse(sql, true, "")
		if got := a.stmts[0].ChangesNames; got != want || !want && a.stmts[0].route == routePlain && !a.plain {
			t.Errorf("%s: changes names: %v, plain: %v", sql, got, a.plain)
		}
		if looks := v.first.Scan([]byte(sql)); strings.HasPrefix(sql, "SELECT * FROM") && looks {
			t.Errorf("%s is looked at", sql)
		}
	}
}
