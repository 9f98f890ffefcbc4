package guard

import (
	"context"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/sqlparse"
)

// executes looks at what an SQL EXECUTE runs, in a database with foreign tables:
// the tag tells how many rows its own DELETE takes from one, nothing tells what a
// DELETE inside it does.
func (r *run) executes(ctx context.Context) error {
	v := r.s.view
	if r.st.Verb != sqlparse.Execute || len(v.foreign) == 0 {
		return nil
	}
	rows, err := lookup{w: r.w}.Query(ctx, "SELECT name, statement, from_sql::pg_catalog.text FROM pg_catalog.pg_prepared_statements")
	if err != nil {
		return r.told(err)
	}
	prepared := map[string]sqlparse.Statement{}
	for _, row := range rows {
		var st sqlparse.Statement
		if text(row[2]) == "true" {
			st = sqlparse.Prepared(text(row[1]))
		} else if all := sqlparse.Parse(text(row[1])); len(all) == 1 {
			st = all[0]
		}
		st.Text = text(row[1])
		prepared[text(row[0])] = st
	}
	for _, name := range sqlparse.NewNames(prepared).Mentions([]byte(r.st.Text)) {
		st := prepared[name]
		if why := v.unseen(st); why != "" {
			r.st.route, r.st.why, r.st.unseen = routeRefuse, why, true
		} else if t := v.far(st.Target); t != nil && st.Verb == sqlparse.Delete {
			if r.far = t.OID; len(explaining.Mentions([]byte(r.st.Text))) > 0 { // its tag tells nothing
				r.st.route, r.st.why, r.st.unseen = routeRefuse, "a DELETE from "+t.Name+" inside another statement, whose rows are a foreign table's", true
			}
		}
	}
	return nil
}

var explaining = sqlparse.NewNames(map[string]bool{"explain": true})

// far is a table of that name that holds rows of a foreign table, nil if none does.
func (v *view) far(n sqlparse.Name) *catalog.Table {
	for _, t := range v.snap.Named(n.Name) {
		if t.HoldsForeign() && (n.Schema == "" || n.Schema == t.Schema) {
			return t
		}
	}
	return nil
}
