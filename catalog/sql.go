package catalog

import (
	"strings"
)

// operators writes the operators of a query as pg_catalog's, so that no
// operator of the session's search_path can take their place. The queries of
// this package are written with plain operators between single spaces, and
// avoid what resolves "=" implicitly (IN, CASE x WHEN, NULLIF, USING).
// All qualified operators bind alike: mixed ones need parentheses.
var operators = strings.NewReplacer(
	" = ", " OPERATOR(pg_catalog.=) ",
	" <> ", " OPERATOR(pg_catalog.<>) ",
	" >= ", " OPERATOR(pg_catalog.>=) ",
	" || ", " OPERATOR(pg_catalog.||) ",
	" & ", " OPERATOR(pg_catalog.&) ",
	" ~ ", " OPERATOR(pg_catalog.~) ",
)

// versions holds the columns and functions that not every supported server has,
// as the newest version writes them, with the first server that has them.
var versions = []struct {
	since        int
	newer, elder string
}{
	{140000, "r.rngmultitypid", "NULL::pg_catalog.oid"},
	{140000, "pg_catalog.pg_get_function_sqlbody(p.oid)", "NULL"},
	{150000, "pg_catalog.array_to_string(k.confdelsetcols, ' ')", "NULL"},
	{180000, "AND k.conenforced", ""},
	{180000, "k.conperiod", "false"},
	{180000, "(SELECT NOT v.convalidated FROM pg_catalog.pg_constraint v WHERE v.conrelid = a.attrelid AND v.contype = 'n' AND v.conkey[1] = a.attnum)", "false"},
}

// query composes one query from parts, each yielding two columns (kind,
// document), for a server version. With hex the documents come as hex of
// their UTF-8, for sessions whose client_encoding is another.
func query(version int, hex bool, parts ...string) string {
	sql := strings.Join(parts, "\nUNION ALL\n")
	for _, v := range versions {
		if version < v.since {
			sql = strings.ReplaceAll(sql, v.newer, v.elder)
		}
	}
	if hex {
		sql = "SELECT kind, pg_catalog.encode(pg_catalog.convert_to(doc, 'UTF8'), 'hex') FROM (" + sql + ") AS documents (kind, doc)"
	}
	return operators.Replace(sql)
}

// Objects below 16384 are the server's own (FirstNormalObjectId). Temporary
// tables of other sessions are left out.

const headerSQL = `
SELECT pg_catalog.current_setting('server_version_num'),
	pg_catalog.pg_client_encoding(),
	pg_catalog.encode(pg_catalog.convert_to(pg_catalog.current_database(), 'UTF8'), 'hex'),
	`

const relationsSQL = `
SELECT 'relation', pg_catalog.json_build_array(c.oid::pg_catalog.int8, n.nspname, c.relname, c.relkind,
	c.relpersistence = 't', c.relispartition, c.relrowsecurity, c.reltuples,
	CASE WHEN c.relkind = 'v' THEN (pg_catalog.pg_relation_is_updatable(c.oid, false) & 16) <> 0 ELSE false END,
	(SELECT pg_catalog.json_agg(i.inhparent::pg_catalog.int8 ORDER BY i.inhseqno) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
	CASE WHEN pg_catalog.age(c.xmin) >= 1 THEN c.relfilenode::pg_catalog.int8 END)::pg_catalog.text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384
AND c.relkind = ANY ('{r,p,f,v,m}'::pg_catalog."char"[])
AND (c.relpersistence <> 't' OR c.relnamespace = pg_catalog.pg_my_temp_schema())`

// A column's document is plain text, its name last: there are many of them.
const columnsSQL = `
SELECT 'column', pg_catalog.concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod,
	CASE WHEN NOT a.attnotnull THEN 'f' WHEN (SELECT NOT v.convalidated FROM pg_catalog.pg_constraint v WHERE v.conrelid = a.attrelid AND v.contype = 'n' AND v.conkey[1] = a.attnum) THEN 'u' ELSE 't' END,
	CASE WHEN a.attgenerated = '' THEN '-' ELSE a.attgenerated::pg_catalog.text END,
	CASE WHEN a.attidentity = '' THEN '-' ELSE a.attidentity::pg_catalog.text END,
	a.attname)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
WHERE c.oid >= 16384
AND c.relkind = ANY ('{r,p,f,v,m}'::pg_catalog."char"[])
AND (c.relpersistence <> 't' OR c.relnamespace = pg_catalog.pg_my_temp_schema())
AND a.attnum >= 1 AND NOT a.attisdropped`

// format_type leaves the schema out where search_path has it: it is put back,
// so that the text means the same in every session.
const typesSQL = `
SELECT 'type', pg_catalog.json_build_array(k.atttypid::pg_catalog.int8, k.atttypmod,
	CASE WHEN n.nspname <> 'pg_catalog' AND pg_catalog.pg_type_is_visible(e.oid)
		THEN pg_catalog.quote_ident(n.nspname) || '.' ELSE '' END || pg_catalog.format_type(
		k.atttypid, k.atttypmod),
	b.base, x.oid IS NOT NULL, ` + shapeSQL + `)::pg_catalog.text
FROM (SELECT DISTINCT a.atttypid, a.atttypmod
	FROM pg_catalog.pg_attribute a
	JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
	WHERE c.oid >= 16384
	AND c.relkind = ANY ('{r,p,f,v,m}'::pg_catalog."char"[])
	AND a.attnum >= 1 AND NOT a.attisdropped) k
JOIN pg_catalog.pg_type t ON t.oid = k.atttypid
JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace
JOIN LATERAL (WITH RECURSIVE d (oid, prefix) AS (
		SELECT k.atttypid, ''
		UNION ALL
		SELECT CASE WHEN p.typtype = 'd' THEN p.typbasetype ELSE p.typelem END, CASE WHEN p.typtype = 'd' THEN d.prefix ELSE pg_catalog.concat('_', d.prefix) END
		FROM d JOIN pg_catalog.pg_type p ON p.oid = d.oid WHERE p.typtype = 'd' OR p.typcategory = 'A' AND p.typelem <> 0)
	SELECT pg_catalog.concat(d.prefix, CASE WHEN NOT (p.oid >= 16384) THEN p.typname::pg_catalog.text WHEN p.typtype = 'c' THEN 'record'
		WHEN p.typtype = ANY ('{r,m}'::pg_catalog."char"[]) THEN 'anyrange' ELSE pg_catalog.concat(pn.nspname, '.', p.typname) END) AS base
	FROM d JOIN pg_catalog.pg_type p ON p.oid = d.oid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.typnamespace
	WHERE p.typtype <> 'd' AND NOT (p.typcategory = 'A' AND p.typelem <> 0)) b ON true
LEFT JOIN (WITH RECURSIVE part (inner_type, outer_type) AS (
		SELECT p.typbasetype, p.oid FROM pg_catalog.pg_type p WHERE p.typtype = 'd'
		UNION ALL
		SELECT p.typelem, p.oid FROM pg_catalog.pg_type p WHERE p.typcategory = 'A' AND p.typelem <> 0
		UNION ALL
		SELECT r.rngsubtype, r.rngtypid FROM pg_catalog.pg_range r
		UNION ALL
		SELECT r.rngsubtype, r.rngmultitypid FROM pg_catalog.pg_range r
		UNION ALL
		SELECT a.atttypid, c.reltype FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 1 AND NOT a.attisdropped
		LEFT JOIN (SELECT DISTINCT CASE WHEN u.typelem <> 0 THEN u.typelem ELSE u.oid END AS oid FROM pg_catalog.pg_attribute ua
			JOIN pg_catalog.pg_type u ON u.oid = ua.atttypid WHERE ua.atttypid >= 16384) used ON used.oid = c.reltype
		WHERE c.relkind = 'c' OR used.oid IS NOT NULL),
	x (oid) AS (
		SELECT p.oid FROM pg_catalog.pg_type p WHERE p.typtype <> 'p' AND p.typsend::pg_catalog.oid = 0::pg_catalog.oid
		UNION
		SELECT part.outer_type FROM part JOIN x ON part.inner_type = x.oid)
	SELECT x.oid FROM x) x ON x.oid = k.atttypid`

// Domains and composite types, by name: what their constraints call is called
// wherever a value of the type is made. Row types of tables are of interest only while
// there are domains with constraints.
const domainsSQL = `
SELECT 'domain', pg_catalog.json_build_array(t.oid::pg_catalog.int8, t.typname)::pg_catalog.text
FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE t.oid >= 16384 AND (t.typtype = 'd' OR c.relkind = 'c'
	OR c.relkind = ANY ('{r,v,m,f,p}'::pg_catalog."char"[]) AND EXISTS (SELECT FROM pg_catalog.pg_constraint z WHERE z.contypid <> 0))`

const sequencesSQL = `
SELECT 'sequence', pg_catalog.json_build_array(d.refobjid::pg_catalog.int8, d.refobjsubid, n.nspname, s.relname)::pg_catalog.text
FROM pg_catalog.pg_class s
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.oid
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE s.relkind = 'S' AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
AND d.refobjsubid >= 1 AND d.deptype = ANY ('{a,i}'::pg_catalog."char"[])`

// Unique indexes that can identify a row: whole (not partial), on columns only.
// shapeSQL is what the type k.atttypid, of base b.base, is made of; see Column.Shape.
const shapeSQL = `CASE WHEN b.base ~ '(record|range)$' THEN (WITH RECURSIVE d (path, attribute, typ) AS (
		SELECT '', NULL::pg_catalog.text, k.atttypid
		UNION ALL
		SELECT m.path, m.attribute, m.typ FROM d JOIN pg_catalog.pg_type p ON p.oid = d.typ CROSS JOIN LATERAL (
			SELECT d.path, NULL::pg_catalog.text, CASE WHEN p.typtype = 'd' THEN p.typbasetype ELSE p.typelem END WHERE p.typtype = 'd' OR p.typcategory = 'A' AND p.typelem <> 0
			UNION ALL
			SELECT d.path, NULL::pg_catalog.text, r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = p.oid
			UNION ALL
			SELECT pg_catalog.concat(d.path, '.', pg_catalog.lpad((pg_catalog.row_number() OVER (ORDER BY a.attnum))::pg_catalog.text, 4, '0')),
				pg_catalog.concat_ws(' ', a.attname, tn.nspname, y.typname, a.atttypmod) COLLATE pg_catalog."default", a.atttypid
			FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid JOIN pg_catalog.pg_namespace tn ON tn.oid = y.typnamespace
			WHERE a.attrelid = p.typrelid AND p.typtype = 'c' AND a.attnum >= 1 AND NOT a.attisdropped) m (path, attribute, typ))
		SELECT pg_catalog.string_agg(pg_catalog.concat(path, ' ', attribute), '; ' ORDER BY path COLLATE pg_catalog."C") FROM d WHERE attribute IS NOT NULL) END`

const keysSQL = `
SELECT 'key', pg_catalog.json_build_array(i.indrelid::pg_catalog.int8, i.indisprimary, i.indisreplident, i.indimmediate,
	i.indnkeyatts, i.indkey::pg_catalog.text, c.relname)::pg_catalog.text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class r ON r.oid = i.indrelid AND r.relkind <> 't'
WHERE i.indrelid >= 16384 AND i.indisunique AND i.indisvalid AND i.indislive
AND i.indpred IS NULL AND i.indexprs IS NULL`

// The copies that partitions get of their root's constraints are left out.
const foreignKeysSQL = `
SELECT 'foreign key', pg_catalog.json_build_array(k.conname, k.conrelid::pg_catalog.int8, k.confrelid::pg_catalog.int8,
	pg_catalog.array_to_string(k.conkey, ' '), pg_catalog.array_to_string(k.confkey, ' '),
	k.confdeltype, k.confupdtype, pg_catalog.array_to_string(k.confdelsetcols, ' '),
	k.condeferrable, k.condeferred, k.convalidated, k.confmatchtype,
	(SELECT pg_catalog.json_agg(pg_catalog.json_build_array(u.i, n.nspname, o.oprname, cn.nspname, c.collname))
	 FROM pg_catalog.generate_subscripts(k.conpfeqop, 1) u(i)
	 JOIN pg_catalog.pg_operator o ON o.oid = k.conpfeqop[u.i]
	 JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
	 JOIN pg_catalog.pg_attribute x ON x.attrelid = k.conrelid AND x.attnum = k.conkey[u.i]
	 JOIN pg_catalog.pg_attribute y ON y.attrelid = k.confrelid AND y.attnum = k.confkey[u.i]
	 LEFT JOIN pg_catalog.pg_collation c ON c.oid = y.attcollation AND y.attcollation <> x.attcollation
	 LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
	 WHERE n.nspname <> 'pg_catalog' OR o.oprname <> '=' OR c.oid IS NOT NULL),
	k.conperiod)::pg_catalog.text
FROM pg_catalog.pg_constraint k
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid >= 16384 AND k.confrelid >= 16384 AND k.conenforced`

// Before PostgreSQL 15 the copies that partitions get of their root's triggers
// pass for the server's own, as those of foreign keys always do.
const triggersSQL = `
SELECT 'trigger', pg_catalog.json_build_array(t.oid::pg_catalog.int8, t.tgrelid::pg_catalog.int8, t.tgname, t.tgenabled, t.tgtype,
	t.tgfoid::pg_catalog.int8, n.nspname, p.proname, t.tgdeferrable)::pg_catalog.text
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE NOT t.tgisinternal OR (t.tgparentid <> 0 AND t.tgfoid >= 16384)`

// Whether a rule deletes is read off its stored tree: pg_get_ruledef runs a query
// of its own, with operators of the session's search_path. In the tree 4 is
// CMD_DELETE, also of a MERGE action or inside a WITH.
const rulesSQL = `
SELECT 'rule', pg_catalog.json_build_array(r.oid::pg_catalog.int8, r.ev_class::pg_catalog.int8, r.rulename, r.ev_type, r.ev_enabled,
	r.ev_action::pg_catalog.text ~ ':commandType 4 ')::pg_catalog.text
FROM pg_catalog.pg_rewrite r
WHERE r.ev_class >= 16384`

// A C function that takes or returns a pseudo-type of the server's inside can
// be called by the server alone.
const functionsSQL = `
SELECT 'function', pg_catalog.json_build_array(p.oid::pg_catalog.int8, n.nspname, p.proname, p.prokind, l.lanname, p.provolatile,
	CASE WHEN l.lanname <> 'c' THEN p.prosrc END,
	pg_catalog.pg_get_function_sqlbody(p.oid),
	e.extname,
	EXISTS (SELECT FROM pg_catalog.pg_type t
		WHERE (t.oid = p.prorettype OR t.oid = ANY (p.proargtypes::pg_catalog.oid[]))
		AND t.typname = ANY ('{internal,fdw_handler,index_am_handler,table_am_handler,tsm_handler,language_handler}'::pg_catalog.name[])),
	pg_catalog.array_to_string(p.proconfig, ' '))::pg_catalog.text
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_depend x ON x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND x.objid = p.oid AND x.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON x.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.oid = x.refobjid
WHERE p.oid >= 16384`
