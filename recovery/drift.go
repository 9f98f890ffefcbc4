package recovery

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// match settles which columns travel, and how, where the table's two sides may
// have drifted apart. It returns what must stop the restore and what must be
// said in plan and report.
func (t *table) match(backup *detail) (problems, warnings []string) {
	t.columns, t.casts, t.binary = nil, nil, true
	for _, c := range t.live.Columns {
		if c.Generated {
			continue
		}
		b := t.backup.Column(c.Name)
		if b == nil || b.Generated {
			p, w := t.lacking(c, b != nil)
			problems, warnings = append(problems, p...), append(warnings, w...)
			continue
		}
		t.columns = append(t.columns, c.Name)
		lt, bt := t.detail.columns[c.Name], backup.columns[c.Name]
		t.binary = t.binary && binarySafe(lt) && lt.typeOID == bt.typeOID && c.Type == b.Type
		if c.Type == b.Type {
			continue
		}
		if !keepsValue(b.Type, c.Type) {
			problems = append(problems, fmt.Sprintf("%s.%s is %s in the recovery database and %s in production; values may not survive that conversion", t.name(), c.Name, b.Type, c.Type))
			continue
		}
		t.casts = append(t.casts, cast{c.Name, c.Type, b.Type})
		warnings = append(warnings, fmt.Sprintf("%s.%s: %s in the recovery database, %s in production; converted", t.name(), c.Name, b.Type, c.Type))
	}
	for _, b := range t.backup.Columns {
		if t.live.Column(b.Name) == nil {
			warnings = append(warnings, fmt.Sprintf("%s.%s exists only in the recovery database; its values are left out", t.name(), b.Name))
		}
	}
	return problems, warnings
}

// lacking is about a live column that the backup has no values for.
func (t *table) lacking(c catalog.Column, generated bool) (problems, warnings []string) {
	what := "is not in the recovery database"
	if generated {
		what = "is a generated column in the recovery database"
	}
	d := t.detail.columns[c.Name]
	switch {
	case slices.Contains(t.key, c.Name):
		return []string{fmt.Sprintf("key column %s.%s %s; is this a copy of the right database?", t.name(), c.Name, what)}, nil
	case c.NotNull && !d.hasDef:
		return []string{fmt.Sprintf("column %s.%s %s, is NOT NULL and has no default; give it a default in production for the time of the restore", t.name(), c.Name, what)}, nil
	case d.hasDef && d.defs != "":
		return nil, []string{fmt.Sprintf("column %s.%s %s; restored rows get its default: %s", t.name(), c.Name, what, d.defs)}
	case d.hasDef:
		return nil, []string{fmt.Sprintf("column %s.%s %s; restored rows get its default", t.name(), c.Name, what)}
	}
	return nil, []string{fmt.Sprintf("column %s.%s %s; it stays NULL in restored rows", t.name(), c.Name, what)}
}

// binarySafe: a built-in type whose binary form means the same in another
// database. The reg… types (typcategory N, but they hold OIDs) do not, nor
// does anything that names another type by OID.
func binarySafe(c columnDetail) bool {
	const firstUserOID = 16384
	if c.typeOID >= firstUserOID || c.kind == "c" || c.kind == "p" {
		return false
	}
	switch c.typeOID {
	case 24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191, // regproc … regcollation
		1008, 2207, 2208, 2209, 2210, 2211, 3735, 3770, 4090, 4097, 4192, // their arrays
		1033, 1034, 790: // aclitem and its array, money-independent refcursor
		return false
	}
	return true
}

// widening lists conversions through text that keep every value.
var widening = map[string][]string{
	"smallint":          {"integer", "bigint", "numeric", "text", "character varying"},
	"integer":           {"bigint", "numeric", "text", "character varying"},
	"bigint":            {"numeric", "text", "character varying"},
	"real":              {"double precision", "text", "character varying"},
	"double precision":  {"text", "character varying"},
	"numeric":           {"numeric", "text", "character varying"},
	"character varying": {"text", "character varying", "citext", "public.citext"},
	"text":              {"character varying", "citext", "public.citext"},
	"citext":            {"text", "character varying"},
	"uuid":              {"text", "character varying"},
	"json":              {"text"},
	"jsonb":             {"text"},
}

var modifier = regexp.MustCompile(`\([^)]*\)`)

// keepsValue: text of type b can be read as type l. A value that does not come
// back the same stops the restore when the rows are cast (see load).
func keepsValue(b, l string) bool {
	base := func(s string) string { return modifier.ReplaceAllString(s, "") }
	return base(b) == base(l) && !strings.HasSuffix(b, "]") || slices.Contains(widening[base(b)], base(l))
}
