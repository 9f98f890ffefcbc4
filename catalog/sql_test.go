package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

var allParts = []string{relationsSQL, typesSQL, columnsSQL, domainsSQL, sequencesSQL, keysSQL, foreignKeysSQL, triggersSQL, rulesSQL, functionsSQL, edgesSQL, builtinsSQL}

// TestQuery_NothingUnqualified: in every query each operator, function, type and
// table is pg_catalog's by name, so no search_path leads elsewhere.
func TestQuery_NothingUnqualified(t *testing.T) {
	for _, sql := range []string{query(180000, true, allParts...), operators.Replace(headerSQL + fingerprintSQL)} {
		text, err := pg_query.ParseToJSON(sql)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatal(err)
		}
		qualified(t, tree)
	}
}

// qualified walks a parse tree.
func qualified(t *testing.T, tree any) {
	t.Helper()
	switch n := tree.(type) {
	case []any:
		for _, e := range n {
			qualified(t, e)
		}
	case map[string]any:
		for kind, e := range n {
			m, _ := e.(map[string]any)
			names := ""
			switch kind {
			case "A_Expr":
				names = fmt.Sprint(m["name"])
				if k := m["kind"]; k != "AEXPR_OP" && k != "AEXPR_OP_ANY" && k != "AEXPR_OP_ALL" {
					t.Errorf("%v resolves an operator by itself", k)
				}
			case "FuncCall":
				names = fmt.Sprint(m["funcname"])
			case "typeName":
				names = fmt.Sprint(m["names"])
			case "RangeVar":
				if m["schemaname"] != "pg_catalog" && m["relname"] != "d" && m["relname"] != "part" && m["relname"] != "x" { // WITH queries
					t.Errorf("table %v is not qualified", m["relname"])
				}
			}
			if names != "" && !strings.HasPrefix(names, "[map[String:map[sval:pg_catalog]] ") {
				t.Errorf("%s %s is not qualified", kind, names)
			}
			qualified(t, e)
		}
	}
}

func TestQuery_OlderServers(t *testing.T) {
	for version, missing := range map[int][]string{
		130000: {"sqlbody(", "confdelsetcols", "conenforced"},
		140000: {"confdelsetcols", "conenforced"},
		170000: {"conenforced"},
	} {
		sql := query(version, false, allParts...)
		for _, m := range missing {
			if strings.Contains(sql, m) {
				t.Errorf("version %d: query has %s", version, m)
			}
		}
	}
}
