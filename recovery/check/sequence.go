package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
)

// sequenceSQL lists the columns that a sequence feeds: that own it (serial,
// identity), or whose default is its next value and nothing else.
const sequenceSQL = `
	SELECT DISTINCT f.tab, a.attname, n.nspname, c.relname, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle::text
	FROM (SELECT d.objid AS seq, d.refobjid AS tab, d.refobjsubid AS col FROM pg_depend d
	      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
	      UNION
	      SELECT d.refobjid, e.adrelid, e.adnum FROM pg_depend d JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
	      WHERE d.refclassid = 'pg_class'::regclass AND pg_get_expr(e.adbin, e.adrelid) ~ '^\(?nextval\(''.*''::regclass\)(\)::[a-z]+)?$') f
	JOIN pg_sequence s ON s.seqrelid = f.seq JOIN pg_class c ON c.oid = f.seq JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_attribute a ON a.attrelid = f.tab AND a.attnum = f.col
	ORDER BY 3, 4, 1, 2`

// sequences looks for sequences that will hand out values which their column
// has already.
func (r *run) sequences(ctx context.Context) error {
	rows, err := r.session.Rows(ctx, sequenceSQL)
	if err != nil {
		return err
	}
	r.o.Progress.Start("checking sequences", 0)
	for _, v := range rows {
		oid, err := strconv.ParseUint(*v[0], 10, 32)
		if err != nil {
			return err
		}
		t := r.catalog.Tables[uint32(oid)]
		if t == nil || !r.wants(t) || t.Partition { // partitions are looked at with their root
			continue
		}
		column, sequence := t.Column(*v[1]), pgx.Identifier{*v[2], *v[3]}.Sanitize()
		if column == nil || !slices.Contains([]string{"int2", "int4", "int8", "numeric"}, column.BaseType) {
			continue
		}
		x := Result{Kind: kindSequence, Name: strings.Join([]string{*v[2], *v[3]}, "."), Table: display(t)}
		if err := r.one(ctx, x, func(x *Result) error { return r.behind(ctx, t, column.Name, sequence, v, x) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) behind(ctx context.Context, t *catalog.Table, column, sequence string, v []*string, x *Result) error {
	increment, lowest, highest, cycles := *v[4], *v[5], *v[6], *v[7] == "true"
	if cycles {
		x.Detail = "it is meant to hand out values again (CYCLE)"
		return nil
	}
	furthest, beyond := "max", ">"
	if strings.HasPrefix(increment, "-") {
		furthest, beyond = "min", "<"
	}
	// Before the first nextval the position is one step before last_value. Values
	// that the sequence can never reach do no harm.
	quoted := pgx.Identifier{column}.Sanitize()
	rows, err := r.session.Rows(ctx, fmt.Sprintf(`
		SELECT position::text, furthest::text, coalesce(furthest %s position, false)::text
		FROM (SELECT last_value::numeric - CASE WHEN is_called THEN 0 ELSE (%s)::numeric END AS position FROM %s) s,
		     (SELECT %s(%s)::numeric AS furthest FROM %s WHERE %s BETWEEN %s AND %s) c`,
		beyond, increment, sequence, furthest, quoted, only(t), quoted, lowest, highest))
	if err != nil {
		return err
	}
	if *rows[0][2] != "true" {
		return nil
	}
	x.Problems = 1
	// Two values to the text: a value goes into the statement that mends it.
	x.Detail = fmt.Sprintf("behind its column: it stands at %s, %s is at %s already; run: SELECT setval('%s', %s)",
		*rows[0][0], column, *rows[0][1], strings.ReplaceAll(sequence, "'", "''"), *rows[0][1])
	return nil
}
