package catalog

import "cmp"

// Comparison is how values of two columns are compared, whatever the search_path. The zero
// value is right for all types that are pg_catalog's, and arrays, enums, ranges and rows of others.
type Comparison struct {
	Operator  string // with its schema, as SQL: "public".=
	Collation string // as SQL; of a foreign key, the referenced column's, where the two differ
	Enum      string // as SQL; of domains over it, for which the server finds no operator
}

// SQL is the condition that a and b, to which a cast can be appended, compare so.
func (c Comparison) SQL(a, b string) string {
	if c.Enum != "" {
		a, b = a+"::"+c.Enum, b+"::"+c.Enum
	}
	if c.Collation != "" {
		b += " COLLATE " + c.Collation
	}
	return a + " OPERATOR(" + cmp.Or(c.Operator, "pg_catalog.=") + ") " + b
}

// EqualitySQL finds, for the columns of tables that have another type (an extension's,
// say, or a domain over one, or over an enum), the equality of that type: the operator of its
// default operator class, for btree before hash. $tables stands for an array of their oids. Rows are
// oid, column, operator, enum; of two for a column the last counts.
var EqualitySQL = operators.Replace(`
	SELECT a.attrelid, a.attname, pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', o.oprname), b.enum
	FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL (
		WITH RECURSIVE d AS (SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typname, t.typnamespace FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
			UNION ALL SELECT x.oid, x.typtype, x.typbasetype, x.typcategory, x.typname, x.typnamespace FROM d JOIN pg_catalog.pg_type x ON x.oid = d.typbasetype WHERE d.typtype = 'd')
		SELECT d.oid AS compared, NULL::pg_catalog.text AS enum FROM d WHERE d.typtype = 'b' AND d.typcategory <> 'A' AND d.oid >= 16384
		UNION ALL SELECT 'pg_catalog.anyenum'::pg_catalog.regtype::pg_catalog.oid, pg_catalog.concat(pg_catalog.quote_ident(s.nspname), '.', pg_catalog.quote_ident(d.typname))
		FROM d JOIN pg_catalog.pg_namespace s ON s.oid = d.typnamespace WHERE d.typtype = 'e' AND d.oid <> a.atttypid) b
	JOIN pg_catalog.pg_opclass c ON c.opcintype = b.compared AND c.opcdefault JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod
	JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amoplefttype = b.compared AND p.amoprighttype = b.compared
		AND (m.amname = 'btree' AND p.amopstrategy = 3 OR m.amname = 'hash' AND p.amopstrategy = 1)
	JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
	WHERE a.attrelid = ANY ($tables) AND NOT a.attisdropped
	ORDER BY a.attrelid, m.amname DESC`)
