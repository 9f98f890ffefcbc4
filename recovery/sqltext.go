package recovery

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// quote is a quoted identifier.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal is a string constant; sessions have standard_conforming_strings on.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// display is a table's name for people, who may paste it into SQL.
func display(t *catalog.Table) string { return journal.QuoteName(t.Schema, t.Name) }

// only is t as it stands in FROM: without what inherits from it, which keeps
// its own keys and to which no foreign key of t applies. Partitions are t's.
func only(t *catalog.Table) string {
	if t.Kind == 'p' {
		return t.QuotedName()
	}
	return "ONLY " + t.QuotedName()
}

// list joins the columns, each with the prefix (an alias and a dot, or "").
func list(prefix string, columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = prefix + quote(c)
	}
	return strings.Join(out, ", ")
}

// prefixed are the columns of an alias.
func prefixed(alias string, columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = alias + "." + quote(c)
	}
	return out
}

// equal is the condition that columns ac of alias a equal columns bc of alias b, each
// compared as how says.
func equal(a string, ac []string, b string, bc []string, how ...catalog.Comparison) string {
	out := make([]string, len(ac))
	for i := range ac {
		out[i] = how[i].SQL(a+"."+quote(ac[i]), b+"."+quote(bc[i]))
	}
	return strings.Join(out, " AND ")
}

// notNull is the condition that none of the columns is null.
func notNull(alias string, columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = alias + "." + quote(c) + " IS NOT NULL"
	}
	return strings.Join(out, " AND ")
}

// sameImage compares two rows bit for bit: no equality operator is asked, so
// it works for every type and tells 1.0 from 1.00 and -0 from 0.
func sameImage(a, b string, columns []string) string {
	// Without the casts the operator would be looked up for each pair of columns.
	return "ROW(" + list(a+".", columns) + ")::record OPERATOR(pg_catalog.*=) ROW(" + list(b+".", columns) + ")::record"
}

// differing is an SQL expression: the names of the columns whose values differ
// between a and b, never the values.
func differing(a, b string, columns []string) string {
	return namesWhere(columns, func(c string) string { return "NOT (" + sameImage(a, b, []string{c}) + ")" })
}

// namesWhere is an SQL expression: the names of the columns of which a condition is true.
func namesWhere(columns []string, is func(column string) string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = "CASE WHEN " + is(c) + " THEN " + literal(c) + " END"
	}
	return "array_to_string(ARRAY[" + strings.Join(out, ", ") + "]::text[], ', ')"
}

// shown is an SQL expression, for people: the names, and the values that the
// columns of alias, if it is not "", have for them.
func shown(names []string, alias string, columns []string) string {
	if alias != "" {
		alias += "."
	}
	values := make([]string, len(columns))
	for i, c := range columns {
		values[i] = alias + quote(c) + "::text"
	}
	return literal("("+strings.Join(names, ", ")+") = (") + " || concat_ws(', ', " + strings.Join(values, ", ") + ") || ')'"
}

// texts is a select list of the columns as text.
func texts(alias string, columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = alias + "." + quote(c) + "::text"
	}
	return strings.Join(out, ", ")
}

// positions names the columns of a key list: k01, k02, …
func positions(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = prefix + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
	}
	return out
}
