package recovery

import (
	"context"
	"strings"

	"github.com/rowback/rowback/catalog"
)

var equalitySQL = strings.ReplaceAll(catalog.EqualitySQL, "$tables", "ARRAY(SELECT oid FROM pg_class WHERE oid IN $tables)")

func (d *detail) addEquality(v []string) {
	if d.equality == nil {
		d.equality = map[string]catalog.Comparison{}
	}
	d.equality[v[0]] = catalog.Comparison{Operator: v[1], Enum: v[2]}
}

// equal is how values of the column are compared.
func (d *detail) equal(column string) catalog.Comparison { return d.equality[column] }

// equals is how those of the columns are, for equal.
func (d *detail) equals(columns []string) []catalog.Comparison {
	out := make([]catalog.Comparison, len(columns))
	for i, c := range columns {
		out[i] = d.equal(c)
	}
	return out
}

// equal is the condition that rows of two aliases, live or staged, have the same key.
func (t *table) equal(a, b string) string {
	return equal(a, t.key, b, t.key, t.detail.equals(t.key)...)
}

// notDistinct is IS NOT DISTINCT FROM by a given comparison.
func notDistinct(a string, how catalog.Comparison, b string) string {
	return "coalesce(" + how.SQL(a, b) + ", " + a + " IS NULL AND " + b + " IS NULL)"
}

// Equality returns how values of a column of t are compared.
func (s *Session) Equality(ctx context.Context, t *catalog.Table) (func(column string) catalog.Comparison, error) {
	if err := s.side.describe(ctx, t); err != nil {
		return nil, err
	}
	return s.side.detail[t.OID].equal, nil
}
