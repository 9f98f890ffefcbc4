package recovery

import (
	"context"
	"fmt"
	"strings"

	"github.com/rowback/rowback/catalog"
)

var equalitySQL = strings.ReplaceAll(catalog.EqualitySQL, "$tables", "ARRAY(SELECT oid FROM pg_class WHERE oid IN $tables)")

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
	return catalog.PlainEqual
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
