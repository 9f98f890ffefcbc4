package guard

import (
	"context"

	"github.com/rowback/rowback/catalog"
)

// ownEqual compares the values of all types that are pg_catalog's, and arrays, enums,
// ranges and rows of others.
const ownEqual = " OPERATOR(pg_catalog.=) "

// equalities are the operators that compare the columns of a table whose type has an
// equality of its own, as an extension's has: that of its default operator class, for btree
// before hash. Where it has none it is what search_path finds.
func equalities(ctx context.Context, q catalog.Querier, table string) (map[string]string, error) {
	rows, err := q.Query(ctx, `
		WITH RECURSIVE d AS (
			SELECT a.attname, t.oid, t.typtype, t.typbasetype, t.typcategory
			FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
			WHERE a.attrelid OPERATOR(pg_catalog.=) `+literal(table)+`::pg_catalog.regclass AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
			UNION ALL
			SELECT d.attname, t.oid, t.typtype, t.typbasetype, t.typcategory
			FROM d JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) d.typbasetype WHERE d.typtype OPERATOR(pg_catalog.=) 'd')
		SELECT d.attname, COALESCE((
			SELECT ' OPERATOR(' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) o.oprname OPERATOR(pg_catalog.||) ') '
			FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.opcmethod
			JOIN pg_catalog.pg_amop p ON p.amopfamily OPERATOR(pg_catalog.=) c.opcfamily AND p.amoplefttype OPERATOR(pg_catalog.=) d.oid AND p.amoprighttype OPERATOR(pg_catalog.=) d.oid
				AND (m.amname OPERATOR(pg_catalog.=) 'btree' AND p.amopstrategy OPERATOR(pg_catalog.=) 3::pg_catalog.int2 OR m.amname OPERATOR(pg_catalog.=) 'hash' AND p.amopstrategy OPERATOR(pg_catalog.=) 1::pg_catalog.int2)
			JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) p.amopopr JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
			WHERE c.opcintype OPERATOR(pg_catalog.=) d.oid AND c.opcdefault ORDER BY m.amname USING OPERATOR(pg_catalog.<) LIMIT 1), '=')
		FROM d WHERE d.typtype OPERATOR(pg_catalog.=) 'b' AND d.typcategory OPERATOR(pg_catalog.<>) 'A' AND d.oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid`)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[text(r[0])] = text(r[1])
	}
	return out, nil
}
