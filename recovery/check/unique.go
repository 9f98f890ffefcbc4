package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/recovery"
)

// uniqueSQL lists the unique indexes, those of whole partitioned tables instead
// of their copies on each partition. Lists are joined with the unit separator,
// which no sensible name holds.
const uniqueSQL = `
	SELECT i.indrelid, c.relname,
	       (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false), e'\x1f' ORDER BY k) FROM generate_series(1, i.indnkeyatts) k),
	       (SELECT string_agg(coalesce((SELECT ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(o.collname)
	            FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace WHERE o.oid = i.indcollation[k - 1]), ''), e'\x1f' ORDER BY k)
	        FROM generate_series(1, i.indnkeyatts) k),
	       pg_get_expr(i.indpred, i.indrelid), coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false'), i.indisvalid::text
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
	WHERE i.indrelid >= 16384 AND i.indisunique AND i.indislive AND NOT c.relispartition
	ORDER BY i.indrelid, c.relname`

type unique struct {
	table       *catalog.Table
	name        string
	expressions []string
	collate     []string // COLLATE clauses, "" for none
	predicate   string
	nullsEqual  bool
	valid       bool
}

// uniques looks for values that are twice where a unique index allows one.
func (r *run) uniques(ctx context.Context) error {
	var all []unique
	var total int64
	rows, err := r.session.Rows(ctx, uniqueSQL)
	if err != nil {
		return err
	}
	for _, v := range rows {
		oid, err := strconv.ParseUint(*v[0], 10, 32)
		if err != nil {
			return err
		}
		t := r.catalog.Tables[uint32(oid)]
		if t == nil || !r.wants(t) {
			continue
		}
		u := unique{table: t, name: *v[1], expressions: strings.Split(*v[2], "\x1f"), collate: strings.Split(*v[3], "\x1f"),
			nullsEqual: *v[5] == "true", valid: *v[6] == "true"}
		if v[4] != nil {
			u.predicate = *v[4]
		}
		all = append(all, u)
		total += size(t)
	}
	slices.SortStableFunc(all, func(a, b unique) int { return strings.Compare(display(a.table), display(b.table)) })
	r.o.Progress.Start("checking unique keys", total)
	for _, u := range all {
		err := r.one(ctx, Result{Kind: kindUnique, Name: u.name, Table: display(u.table)}, func(x *Result) error {
			return r.duplicates(ctx, u, x)
		})
		if err != nil {
			return err
		}
		r.o.Progress.Add(size(u.table))
	}
	return nil
}

func (r *run) duplicates(ctx context.Context, u unique, x *Result) error {
	var selected, positions, values, conditions []string
	for i, e := range u.expressions {
		selected = append(selected, fmt.Sprintf("(%s)%s AS v%d", e, u.collate[i], i))
		positions = append(positions, strconv.Itoa(i+1))
		values = append(values, fmt.Sprintf("v%d", i))
		if !u.nullsEqual {
			conditions = append(conditions, "("+e+") IS NOT NULL")
		}
	}
	if u.predicate != "" {
		conditions = append(conditions, "("+u.predicate+")")
	}
	where := ""
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	sql := fmt.Sprintf("SELECT %s, n::text FROM (SELECT %s, count(*) AS n FROM %s%s GROUP BY %s HAVING count(*) > 1) d",
		texts(values), strings.Join(selected, ", "), only(u.table), where, strings.Join(positions, ", "))
	var held int64
	list := r.listed(x, append(slices.Clone(u.expressions), "rows"))
	err := r.session.Each(ctx, sql, func(v []*string) error {
		n, err := strconv.ParseInt(*v[len(v)-1], 10, 64)
		if err != nil {
			return err
		}
		held += n
		return list(v)
	})
	if err != nil {
		return err
	}
	var notes []string
	if x.Problems > 0 {
		notes = append(notes, fmt.Sprintf("%s of (%s) held by %s", recovery.Plural(x.Problems, "value"), strings.Join(u.expressions, ", "), recovery.Plural(held, "row")))
	}
	if !u.valid {
		notes = append(notes, "the index is invalid (left by a CREATE INDEX CONCURRENTLY that failed, or being built) and keeps no duplicates out for sure")
	}
	x.Detail = strings.Join(notes, "; ")
	return nil
}
