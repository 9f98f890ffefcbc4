package recovery

import (
	"fmt"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// of is the FROM item of the live rows that it is about.
func (a arbiter) of(live *catalog.Table) string { return only(live) }

// values is a FROM item without its alias: of the rows of table that it is about
// and for which the conditions hold, what it compares, as u01, u02, …, and the
// columns given. Expressions and predicates are the index's own, over unqualified
// column names, so this is a query over one table.
func (a arbiter) values(table, columns string, conditions ...string) string {
	if a.predicate != "" {
		conditions = append(conditions, "("+a.predicate+")")
	}
	where := ""
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	exprs := make([]string, len(a.expressions))
	for i, name := range positions("u", len(exprs)) {
		exprs[i] = a.expressions[i] + " AS " + name
	}
	return fmt.Sprintf("(SELECT %s, %s FROM %s%s)", columns, strings.Join(exprs, ", "), table, where)
}

// exclude is the condition that rows of values, of aliases a and b, exclude each other.
func (a arbiter) exclude(x, y string) string {
	out := make([]string, len(a.expressions))
	for i, name := range positions("u", len(out)) {
		operator := a.operators[i]
		if a.nullsEqual {
			operator = "IS NOT DISTINCT FROM"
		}
		out[i] = fmt.Sprintf("%s.%s %s %s.%s", x, name, operator, y, name)
	}
	return strings.Join(out, " AND ")
}
