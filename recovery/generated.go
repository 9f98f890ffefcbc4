package recovery

import (
	"fmt"
	"slices"
	"strings"
)

// Generated columns do not travel: production makes their values. Where rows are
// looked up by one (it is unique, refers to another table, or is referred to), the
// staging table makes it too, by the same expression. It is neither inserted nor
// compared: what production makes of the row is not ours to judge.

// madeSQL are two expressions over a pg_attribute and its pg_attrdef: whether the
// column is generated so that a staged row has the same value, and of which columns.
// Not so if the expression asks for the table's number, if it is another one in a
// partition, or if a function of it is immutable no more.
const madeSQL = `
	       (a.attgenerated <> '' AND d.adbin::text !~ ':varattno -'
	        AND NOT EXISTS (SELECT FROM pg_partition_tree(a.attrelid) p JOIN pg_attribute o ON o.attrelid = p.relid AND o.attname = a.attname
	            JOIN pg_attrdef e ON e.adrelid = o.attrelid AND e.adnum = o.attnum WHERE pg_get_expr(e.adbin, e.adrelid) <> pg_get_expr(d.adbin, d.adrelid))
	        AND NOT EXISTS (SELECT FROM pg_depend x JOIN pg_proc f ON x.refclassid = 'pg_proc'::regclass AND f.oid = x.refobjid
	            WHERE x.classid = 'pg_attrdef'::regclass AND x.objid = d.oid AND f.provolatile <> 'i'))::text,
	       CASE WHEN a.attgenerated <> '' THEN (SELECT string_agg(DISTINCT o.attname, e'\x1f') FROM pg_depend x JOIN pg_attribute o ON o.attrelid = x.refobjid AND o.attnum = x.refobjsubid
	        WHERE x.refclassid = 'pg_class'::regclass AND x.refobjid = a.attrelid AND x.refobjsubid > 0 AND x.refobjsubid <> a.attnum
	        AND (x.classid = 'pg_attrdef'::regclass AND x.objid = d.oid OR x.classid = 'pg_class'::regclass AND x.objid = a.attrelid AND x.objsubid = a.attnum)) END`

// derive settles which generated columns staging makes, and for rows of which kinds:
// those of which all is known that the column is made of.
func (t *table) derive() {
	t.derived = map[string][]int{}
	wanted := slices.Concat(t.key, t.referred)
	for _, a := range t.detail.arbiters {
		wanted = append(wanted, a.columns...)
	}
	for _, ref := range t.references() {
		wanted = append(wanted, ref.reads()...)
	}
	for _, c := range t.live.Columns {
		d := t.detail.columns[c.Name]
		if !c.Generated || !d.made || !slices.Contains(wanted, c.Name) {
			continue
		}
		kinds := t.knowing(d.reads)
		if len(kinds) == 0 || len(kinds) < len(t.used) && d.kind == "d" { // a domain may not take the NULL of the others
			continue
		}
		t.derived[c.Name] = kinds
	}
}

// knowing are the kinds of rows of which all of the columns are known.
func (t *table) knowing(columns []string) (out []int) {
	for _, k := range t.used {
		if !slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(t.kinds[k], c) && !slices.Contains(t.derived[c], k) }) {
			out = append(out, k)
		}
	}
	return out
}

// makes: column c is generated, of these columns alone.
func (t *table) makes(c string, of []string) bool {
	d := t.detail.columns[c]
	return d.made && !slices.ContainsFunc(d.reads, func(c string) bool { return !slices.Contains(of, c) })
}

// ofKinds is the condition that a staged row is of one of the kinds.
func (t *table) ofKinds(kinds []int) string {
	if len(kinds) == len(t.used) {
		return "true"
	}
	return "rowback_kind IN (" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(kinds)), ", "), "[]") + ")"
}

// generatedColumns is ALTER TABLE for the staging table: what it makes itself.
func (t *table) generatedColumns() string {
	var out strings.Builder
	for _, c := range t.live.Columns {
		if kinds := t.derived[c.Name]; kinds != nil {
			d := t.detail.columns[c.Name]
			fmt.Fprintf(&out, "; ALTER TABLE %s ADD %s %s%s GENERATED ALWAYS AS (CASE WHEN %s THEN %s END) STORED", t.in, quote(c.Name), c.Type, d.collate, t.ofKinds(kinds), d.defs)
		}
	}
	return out.String()
}

// plainColumns are the columns of staging that it does not make.
func (t *table) plainColumns() []string {
	return slices.DeleteFunc(slices.Clone(t.columns), func(c string) bool { return t.derived[c] != nil })
}

// source is the column whose value the configuration may set to give c another one.
func (t *table) source(c string) string {
	if d := t.detail.columns[c]; len(d.reads) > 0 {
		return d.reads[0]
	}
	return c
}
