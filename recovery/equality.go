package recovery

import (
	"context"
	"fmt"

	"github.com/rowback/rowback/catalog"
)

// plainEqual compares values of all types that are pg_catalog's, and arrays, enums and
// ranges of others.
const plainEqual = "OPERATOR(pg_catalog.=)"

// equalitySQL finds, for columns of other types (an extension's, say), the equality of
// their type: that of its default operator class, for btree before hash.
const equalitySQL = `
	SELECT a.attrelid, a.attname, 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')'
	FROM pg_attribute a CROSS JOIN LATERAL (
		WITH RECURSIVE d AS (SELECT t.oid, t.typtype, t.typbasetype, t.typcategory FROM pg_type t WHERE t.oid = a.atttypid
			UNION ALL SELECT x.oid, x.typtype, x.typbasetype, x.typcategory FROM d JOIN pg_type x ON x.oid = d.typbasetype WHERE d.typtype = 'd')
		SELECT oid FROM d WHERE typtype = 'b' AND typcategory <> 'A' AND oid >= 16384) b
	JOIN pg_opclass c ON c.opcintype = b.oid AND c.opcdefault JOIN pg_am m ON m.oid = c.opcmethod
	JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amoplefttype = b.oid AND p.amoprighttype = b.oid
		AND (m.amname = 'btree' AND p.amopstrategy = 3 OR m.amname = 'hash' AND p.amopstrategy = 1)
	JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
	WHERE a.attrelid IN $tables AND a.attnum > 0 AND NOT a.attisdropped
	ORDER BY a.attrelid, m.amname DESC` // of two the last counts

func (d *detail) addEquality(v []string) {
	if d.equality == nil {
		d.equality = map[string]string{}
	}
	d.equality[v[0]] = v[1]
}

// equal is the operator that values of the column are compared by.
func (d *detail) equal(column string) string {
	if o := d.equality[column]; o != "" {
		return o
	}
	return plainEqual
}

// equals are the operators of the columns, for equal.
func (d *detail) equals(columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = d.equal(c)
	}
	return out
}

// equal is the condition that rows of two aliases, live or staged, have the same key.
func (t *table) equal(a, b string) string {
	return equal(a, t.key, b, t.key, t.detail.equals(t.key)...)
}

// notDistinct is IS NOT DISTINCT FROM by a given operator.
func notDistinct(a, operator, b string) string {
	return fmt.Sprintf("coalesce(%[1]s %[2]s %[3]s, %[1]s IS NULL AND %[3]s IS NULL)", a, operator, b)
}

// Equality returns the operator that values of a column of t are compared by, whatever
// the search_path.
func (s *Session) Equality(ctx context.Context, t *catalog.Table) (func(column string) string, error) {
	if err := s.side.describe(ctx, t); err != nil {
		return nil, err
	}
	return s.side.detail[t.OID].equal, nil
}
