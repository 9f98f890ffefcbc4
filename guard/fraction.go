package guard

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// fraction says whether the statement removed more of a table than a rule
// allows. It is exact: of what is left no more rows are counted than decide it.
// Where the user may not read all of a table, the server's estimate has to do.
func (r *run) fraction(ctx context.Context, removed []journal.Table) (verdict, error) {
	for _, sh := range shares(r.s.rules.sheet, removed, nil) {
		rule := sh.rule
		if r.isAnswered(sh) || rule.Fraction <= 0 || rule.Mode == policy.Off {
			continue
		}
		affected, there := map[uint32]int64{}, map[uint32]int64{} // … of them changed or marked, and so still there
		var order []uint32
		for _, t := range sh.statement {
			if !t.Removed() && !(t.Via == journal.Update && rule.Updates) {
				continue
			}
			if affected[t.OID] == 0 {
				order = append(order, t.OID)
			}
			affected[t.OID] += t.Rows
			if t.Via == journal.SoftDelete || t.Via == journal.Update {
				there[t.OID] += t.Rows
			}
		}
		for _, o := range order {
			t, n := r.s.view.snap.Tables[o], affected[o]
			if t == nil || n <= 0 {
				continue
			}
			left, err := r.remaining(ctx, t, max(remainder(n, rule.Fraction), rule.FractionMin-n)+there[o])
			if err != nil {
				return verdict{}, err
			}
			size := n + max(0, left-there[o])
			if share := float64(n) / float64(size); size >= rule.FractionMin && share > rule.Fraction {
				rows, by := partOf(rule, sh.statement, removed)
				return verdict{rule: rule, share: sh.statement, limit: policy.Unlimited, reason: tooGreatAPart,
					what: fmt.Sprintf("%s %s, at least %s of %s, limit %s%s", tensed(rule, sh.statement).remove, rows, percent(share), displayName(journal.Table{Schema: t.Schema, Name: t.Name}), percent(rule.Fraction), by)}, nil
			}
		}
	}
	return verdict{}, nil
}

// remainder is how many rows have to be left for n removed ones to be within a fraction.
func remainder(n int64, fraction float64) int64 {
	return int64(math.Ceil(float64(n) * (1 - fraction) / fraction))
}

// remaining is how many rows a table has left, up to enough.
func (r *run) remaining(ctx context.Context, t *catalog.Table, enough int64) (int64, error) {
	o := strconv.FormatUint(uint64(t.OID), 10)
	rows, err := lookup{w: r.w}.Query(ctx, "SELECT (pg_catalog.has_table_privilege("+o+", 'SELECT') AND pg_catalog.has_schema_privilege(relnamespace, 'USAGE') AND NOT pg_catalog.row_security_active(oid))::pg_catalog.text, GREATEST(reltuples, 0)::pg_catalog.int8::pg_catalog.text FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) "+o)
	if err != nil || len(rows) != 1 {
		return 0, err
	}
	if text(rows[0][0]) != "true" {
		return strconv.ParseInt(text(rows[0][1]), 10, 64)
	}
	count, err := one(ctx, lookup{w: r.w}, fmt.Sprintf("SELECT pg_catalog.count(*)::pg_catalog.text FROM (SELECT FROM %s LIMIT %d) x", t.QuotedName(), enough))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(count, 10, 64)
}

func percent(f float64) string { return strconv.FormatFloat(math.Round(f*1000)/10, 'f', -1, 64) + "%" }
