package guard

import (
	"context"
	"fmt"

	"github.com/rowback/rowback/sqlparse"
)

// unlikely: it is counted only because the catalog is not known, and most likely removes
// nothing. Whether evidence can be kept is asked when it does.
func (r *run) unlikely() bool {
	return r.st.route == routeCount && r.st.why == notLooked && !r.st.CommitsItself
}

// alters reports whether a table's new file is what the statement says itself, an ALTER
// TABLE … TYPE that is counted only because the catalog is not known: it names the table,
// and the file has rows, which after a TRUNCATE on the way it has not.
func (r *run) alters(ctx context.Context, o uint32) (bool, error) {
	t := r.s.view.snap.Tables[o]
	if r.st.why != notLooked || !r.st.DDL || r.st.Verb != sqlparse.Plain || t == nil {
		return false, nil
	}
	if len(sqlparse.NewNames(map[string]bool{t.Name: true, t.Root().Name: true}).Mentions([]byte(r.st.Text))) == 0 {
		return false, nil
	}
	has, err := one(ctx, lookup{w: r.w}, fmt.Sprintf("SELECT (pg_catalog.pg_relation_size('%d'::pg_catalog.oid::pg_catalog.regclass) OPERATOR(pg_catalog.>) 0::pg_catalog.int8)::pg_catalog.text", o))
	return has == "true", err
}
