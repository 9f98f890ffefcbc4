package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// qualifierOf is how the RETURNING list of a DELETE (UPDATE) can name the
// target's columns without ambiguity: by the alias, by the table's name, or by
// schema and name where another relation of that name stands in USING (FROM).
// An empty schema is for the caller to fill in.
func qualifierOf(target *pg.RangeVar, others []*pg.Node) []string {
	if a := target.GetAlias().GetAliasname(); a != "" {
		return []string{a}
	}
	name := target.GetRelname()
	for _, u := range others {
		same := false
		walk(u.ProtoReflect(), func(m protoreflect.Message) bool {
			if r, ok := m.Interface().(*pg.RangeVar); ok && r.Relname == name && r.Alias == nil {
				same = true
			}
			return !same
		})
		if same {
			return []string{target.GetSchemaname(), name}
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
