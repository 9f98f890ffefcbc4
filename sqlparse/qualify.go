package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// qualifierOf is how a DELETE's RETURNING list can name the target's columns
// without ambiguity: by the alias, by the table's name, or by schema and name
// where another relation of that name stands in the statement. An empty schema
// is for the caller to fill in.
func qualifierOf(n *pg.DeleteStmt) []string {
	if a := n.Relation.GetAlias().GetAliasname(); a != "" {
		return []string{a}
	}
	name := n.Relation.GetRelname()
	for _, u := range n.UsingClause {
		same := false
		walk(u.ProtoReflect(), func(m protoreflect.Message) bool {
			if r, ok := m.Interface().(*pg.RangeVar); ok && r.Relname == name && r.Alias == nil {
				same = true
			}
			return !same
		})
		if same {
			return []string{n.Relation.GetSchemaname(), name}
		}
	}
	return []string{name}
}

// quoteIdent quotes an identifier, always: what is a keyword differs between versions.
func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quoteName joins quoted identifiers with dots.
func quoteName(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = quoteIdent(p)
	}
	return strings.Join(quoted, ".")
}
