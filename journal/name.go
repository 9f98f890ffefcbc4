package journal

import (
	"regexp"
	"slices"
	"strings"
)

// plainName needs no quotes in SQL, unless it is a reserved word.
var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)

// reserved words cannot name a table without quotes.
var reserved = strings.Fields(`all analyse analyze and any array as asc asymmetric authorization binary both case cast check
	collate collation column concurrently constraint create cross current_catalog current_date current_role current_schema
	current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign
	freeze from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
	localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
	returning right select session_user similar some symmetric system_user table tablesample then to trailing true union
	unique user using variadic verbose when where window with`)

// QuoteName is a table's name as SQL and --table take it: quoted where it must
// be. schema "" is left out.
func QuoteName(schema, name string) string {
	if schema == "" {
		return quoteName(name)
	}
	return quoteName(schema) + "." + quoteName(name)
}

func quoteName(name string) string {
	if plainName.MatchString(name) && !slices.Contains(reserved, name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// SplitName takes a name apart that a person gave: table or schema.table, with
// SQL's quotes or without. Letters keep their case. Of several dots outside
// quotes the first one separates.
func SplitName(text string) (schema, name string) {
	var parts [2]strings.Builder
	part, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			parts[part].WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted && part == 0:
			part = 1
		default:
			parts[part].WriteByte(c)
		}
	}
	if part == 0 {
		return "", parts[0].String()
	}
	return parts[0].String(), parts[1].String()
}
