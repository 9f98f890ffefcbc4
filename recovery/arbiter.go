package recovery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// arbiter is a unique or exclusion constraint, or a unique index, of a table or
// of a partition alone.
type arbiter struct {
	name        string
	expressions []string             // one a key column, over unqualified column names, each with the index's collation
	compare     []catalog.Comparison // one a key column: by equality, or the exclusion operator
	predicate   string               // of a partial index, "" for none
	columns     []string             // all columns that expressions and predicate read; "" among them: the whole row
	plain       bool                 // a unique index on plain columns, not partial
	otherwise   bool                 // by another collation or equality than the columns' own
	overlaps    bool                 // an exclusion constraint, or WITHOUT OVERLAPS: more than equal values exclude each other
	deferrable  bool
	nullsEqual  bool   // NULLS NOT DISTINCT
	using       string // of an exclusion constraint's index: its definition from USING on

	partition string // FROM item of the partition whose own it is; "": the table's
	within    string // the condition, over unqualified column names, that that partition takes a row
}

// Lists are joined with the unit separator, which no sensible name holds.
const arbitersSQL = `
	SELECT t.root, c.relname,
	       (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false) || coalesce((SELECT ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(o.collname)
	            FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace WHERE o.oid = i.indcollation[k - 1] AND o.oid <> coalesce(a.attcollation, 0)), ''), e'\x1f' ORDER BY k)
	        FROM generate_series(1, i.indnkeyatts) k LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0),
	       CASE WHEN i.indisexclusion THEN (SELECT string_agg(quote_ident(n.nspname) || '.' || o.oprname, e'\x1f' ORDER BY x.ord)
	            FROM unnest(con.conexclop) WITH ORDINALITY x(op, ord) JOIN pg_operator o ON o.oid = x.op JOIN pg_namespace n ON n.oid = o.oprnamespace)
	       ELSE (SELECT string_agg(coalesce((SELECT quote_ident(n.nspname) || '.' || o.oprname
	            FROM pg_opclass oc JOIN pg_amop x ON x.amopfamily = oc.opcfamily AND x.amoplefttype = oc.opcintype AND x.amoprighttype = oc.opcintype AND x.amopstrategy = 3
	            JOIN pg_am m ON m.oid = oc.opcmethod AND m.amname = 'btree' JOIN pg_operator o ON o.oid = x.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
	            WHERE oc.oid = i.indclass[k - 1]), 'pg_catalog.='), e'\x1f' ORDER BY k) FROM generate_series(1, i.indnkeyatts) k) END,
	       (SELECT string_agg(coalesce(e.name, ''), e'\x1f' ORDER BY k) FROM generate_series(1, i.indnkeyatts) k
	        JOIN pg_attribute x ON x.attrelid = i.indexrelid AND x.attnum = k LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0
	        LEFT JOIN LATERAL (
	            WITH RECURSIVE d AS (SELECT y.oid, y.typtype, y.typbasetype FROM pg_type y WHERE y.oid = coalesce(a.atttypid, x.atttypid)
	                UNION ALL SELECT y.oid, y.typtype, y.typbasetype FROM d JOIN pg_type y ON y.oid = d.typbasetype WHERE d.typtype = 'd')
	            SELECT format_type(oid, -1) AS name FROM d WHERE typtype = 'e') e ON true),
	       pg_get_expr(i.indpred, i.indrelid),
	       CASE WHEN concat(i.indexprs::text, i.indpred::text) ~ ':varattno 0 ' THEN ''
	       WHEN i.indexprs IS NULL AND i.indpred IS NULL THEN (SELECT string_agg(a.attname, e'\x1f') FROM pg_attribute a
	            WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts]))
	       ELSE (SELECT string_agg(DISTINCT a.attname, e'\x1f') FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
	        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
	        AND (d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid OR d.classid = 'pg_constraint'::regclass AND d.objid = con.oid)) END,
	       (i.indexprs IS NULL AND i.indpred IS NULL AND i.indisunique)::text, coalesce(con.condeferrable, false)::text,
	       coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false'), i.indisexclusion::text,
	       EXISTS (SELECT FROM generate_series(1, i.indnkeyatts) k LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1]
	            JOIN pg_opclass oc ON oc.oid = i.indclass[k - 1] WHERE i.indcollation[k - 1] <> coalesce(a.attcollation, 0) OR NOT oc.opcdefault)::text,
	       CASE WHEN i.indisexclusion THEN (SELECT substr(def, strpos(def, ' USING ')) FROM pg_get_indexdef(i.indexrelid) def) END,
	       CASE WHEN t.rel <> t.root THEN CASE r.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || quote_ident(s.nspname) || '.' || quote_ident(r.relname) END,
	       CASE WHEN t.rel <> t.root THEN coalesce(pg_get_partition_constraintdef(t.rel), 'true') END
	FROM (SELECT oid AS root, oid AS rel FROM pg_class WHERE oid IN $tables
	      UNION SELECT x.oid, p.relid::oid FROM pg_class x CROSS JOIN LATERAL pg_partition_tree(x.oid) p WHERE x.oid IN $tables AND x.relkind = 'p') t
	JOIN pg_class r ON r.oid = t.rel JOIN pg_namespace s ON s.oid = r.relnamespace JOIN pg_index i ON i.indrelid = t.rel JOIN pg_class c ON c.oid = i.indexrelid
	LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype IN ('p', 'u', 'x')
	WHERE i.indislive AND i.indisready AND (i.indisunique OR i.indisexclusion) AND (t.rel = t.root OR NOT c.relispartition)
	ORDER BY t.root, t.rel <> t.root, i.indexrelid`

func (d *detail) addArbiter(v []string) {
	a := arbiter{
		name: v[0], expressions: strings.Split(v[1], "\x1f"), predicate: v[4], columns: strings.Split(v[5], "\x1f"),
		plain: v[6] == "true", deferrable: v[7] == "true", nullsEqual: v[8] == "true", overlaps: v[9] == "true", otherwise: v[10] == "true",
		using: v[11], partition: v[12], within: v[13],
	}
	enums := strings.Split(v[3], "\x1f")
	for i, operator := range strings.Split(v[2], "\x1f") {
		a.compare = append(a.compare, catalog.Comparison{Operator: operator, Enum: enums[i]})
	}
	d.arbiters = append(d.arbiters, a)
}

// uniqueOn: these columns, and no others, are together unique, always and at once.
func (d *detail) uniqueOn(columns []string) bool {
	return slices.ContainsFunc(d.arbiters, func(a arbiter) bool { return a.plain && a.partition == "" && a.on(columns) })
}

// on: the arbiter is over just these columns, in any order.
func (a arbiter) on(columns []string) bool {
	return len(a.expressions) == len(columns) && len(a.columns) == len(columns) &&
		!slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(a.columns, c) }) &&
		!slices.ContainsFunc(a.columns, func(c string) bool { return !slices.Contains(columns, c) }) // columns may have one twice
}

// isKey: it excludes just the rows that have the key of another.
func (a arbiter) isKey(key []string) bool {
	return a.plain && !a.overlaps && !a.otherwise && a.on(key)
}

// of is the FROM item of the live rows that it is about.
func (a arbiter) of(live *catalog.Table) string {
	if a.partition != "" {
		return a.partition
	}
	return only(live)
}

// values is a FROM item without its alias: of the rows of table that it is about
// and for which the conditions hold, what it compares, as rowback_u01, rowback_u02, …, and the
// columns given. Expressions and predicates are the index's own, over unqualified
// column names, so this is a query over one table.
func (a arbiter) values(table, columns string, conditions ...string) string {
	if a.predicate != "" {
		conditions = append(conditions, "("+a.predicate+")")
	}
	if a.within != "" && table != a.partition {
		conditions = append(conditions, "("+a.within+")")
	}
	where := ""
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	exprs := make([]string, len(a.expressions))
	for i, name := range positions("rowback_u", len(exprs)) {
		exprs[i] = a.expressions[i] + " AS " + name
	}
	return fmt.Sprintf("(SELECT %s, %s FROM %s%s)", columns, strings.Join(exprs, ", "), table, where)
}

// exclude is the condition that rows of values, of aliases x and y, exclude each other.
func (a arbiter) exclude(x, y string) string {
	names := positions("rowback_u", len(a.expressions))
	if a.nullsEqual && !a.overlaps { // as are those of records; unlike IS NOT DISTINCT FROM they can be sorted
		return fmt.Sprintf("ROW(%s)::record OPERATOR(pg_catalog.=) ROW(%s)::record", list(x+".", names), list(y+".", names))
	}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = a.compare[i].SQL(x+"."+name, y+"."+name)
	}
	return strings.Join(out, " AND ")
}
