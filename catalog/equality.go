package catalog

// PlainEqual compares values of all types that are pg_catalog's, and arrays, enums,
// ranges and rows of others.
const PlainEqual = "OPERATOR(pg_catalog.=)"

// EqualitySQL finds, for the columns of tables that have another type (an extension's,
// say, or a domain over one), the equality of that type: the operator of its default operator
// class, for btree before hash. $tables stands for an array of their oids. Rows are oid, column,
// operator; of two for a column the last counts.
var EqualitySQL = operators.Replace(`
	SELECT a.attrelid, a.attname, pg_catalog.concat('OPERATOR(', pg_catalog.quote_ident(n.nspname), '.', o.oprname, ')')
	FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL (
		WITH RECURSIVE d AS (SELECT t.oid, t.typtype, t.typbasetype, t.typcategory FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
			UNION ALL SELECT x.oid, x.typtype, x.typbasetype, x.typcategory FROM d JOIN pg_catalog.pg_type x ON x.oid = d.typbasetype WHERE d.typtype = 'd')
		SELECT d.oid FROM d WHERE d.typtype = 'b' AND d.typcategory <> 'A' AND d.oid >= 16384) b
	JOIN pg_catalog.pg_opclass c ON c.opcintype = b.oid AND c.opcdefault JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod
	JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amoplefttype = b.oid AND p.amoprighttype = b.oid
		AND (m.amname = 'btree' AND p.amopstrategy = 3 OR m.amname = 'hash' AND p.amopstrategy = 1)
	JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
	WHERE a.attrelid = ANY ($tables) AND NOT a.attisdropped
	ORDER BY a.attrelid, m.amname DESC`)
