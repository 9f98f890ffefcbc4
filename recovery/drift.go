package recovery

import (
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
)

// match settles which columns travel, and how, where the table's two sides may
// have drifted apart. It returns what must stop the restore and what must be
// said in plan and report.
func (t *table) match(backup *detail, castable map[string]bool) (problems, warnings []string) {
	t.fetched, t.items, t.casts, t.binary = nil, nil, nil, true
	used := map[string]bool{}
	for _, c := range t.live.Columns {
		was := t.was(c.Name)
		if c.Generated { // computed from the others, whatever the backup has
			used[was] = true
			if b := t.backup.Column(was); b != nil && (!b.Generated || backup.columns[was].defs != t.detail.columns[c.Name].defs) {
				warnings = append(warnings, fmt.Sprintf("%s.%s is a generated column in production, and is not, or by another expression, in the recovery database: restored rows get what production makes of them", t.name(), c.Name))
			}
			continue
		}
		b := t.backup.Column(was)
		used[was] = true
		if t.config.Columns[c.Name] != "" {
			t.items = append(t.items, fmt.Sprintf("x.rowback_x%d", len(t.fetched)))
			t.fetched = append(t.fetched, c.Name)
			t.binary = false
			warnings = append(warnings, fmt.Sprintf("%s.%s is made from the recovery database's row by the configuration: %s", t.name(), c.Name, t.config.Columns[c.Name]))
			continue
		}
		if b == nil { // else its values are as good if it is a generated one there
			p, w := t.lackingIn("the recovery database", c)
			problems, warnings = append(problems, p...), append(warnings, w...)
			continue
		}
		t.fetched = append(t.fetched, c.Name)
		lt, bt := t.detail.columns[c.Name], backup.columns[was]
		t.items = append(t.items, wholly("b."+quote(was), bt))
		t.binary = t.binary && binarySafe(lt) && lt.typeOID == bt.typeOID && c.Type == b.Type
		if was != c.Name {
			warnings = append(warnings, fmt.Sprintf("%s.%s takes the values of %s in the recovery database, as the configuration says", t.name(), c.Name, was))
		}
		if c.Shape != b.Shape && c.Shape != "" && b.Shape != "" {
			problems = append(problems, t.reshaped(c, "as in the recovery database"))
			continue
		}
		if c.Type == b.Type {
			continue
		}
		if !castable[c.Name] {
			problems = append(problems, fmt.Sprintf("%s.%s is %s in the recovery database and %s in production; values may not survive that conversion. %s", t.name(), c.Name, b.Type, c.Type, t.howToConvert(c.Name)))
			continue
		}
		t.casts = append(t.casts, cast{c.Name, c.Type, b.Type})
		warnings = append(warnings, fmt.Sprintf("%s.%s: %s in the recovery database, %s in production; converted", t.name(), c.Name, b.Type, c.Type))
	}
	for _, b := range t.backup.Columns {
		if !used[b.Name] {
			warnings = append(warnings, fmt.Sprintf("%s.%s exists only in the recovery database; its values are left out", display(t.backup), b.Name))
		}
	}
	return problems, warnings
}

// reshaped is about a column whose values would change places: those of a composite type go by place.
func (t *table) reshaped(c catalog.Column, as string) string {
	return fmt.Sprintf("%s.%s: the attributes of %s are not %s, and values within it would change places. %s; for one that was merely renamed that is the column's own name", t.name(), c.Name, c.Type, as, t.howToConvert(c.Name))
}

// lackingIn is about a live column that the source of rows has no values for.
func (t *table) lackingIn(source string, c catalog.Column) (problems, warnings []string) {
	what := "is not in " + source
	d := t.detail.columns[c.Name]
	switch {
	case slices.Contains(t.key, c.Name):
		return []string{fmt.Sprintf("key column %s.%s %s; is this a copy of the right database? If it was renamed since: restore: {tables: {%[1]s: {rename: {OLD: %[2]s}}}}", t.name(), c.Name, what)}, nil
	case c.NotNull && !d.hasDef:
		return []string{fmt.Sprintf("column %s.%s %s, is NOT NULL and has no default; say what it gets in the configuration: restore: {tables: {%[1]s: {columns: {%[2]s: SQL}}}}", t.name(), c.Name, what)}, nil
	case d.hasDef && d.defs != "":
		return nil, []string{fmt.Sprintf("column %s.%s %s; restored rows get its default: %s", t.name(), c.Name, what, d.defs)}
	case d.hasDef:
		return nil, []string{fmt.Sprintf("column %s.%s %s; restored rows get its default", t.name(), c.Name, what)}
	}
	return nil, []string{fmt.Sprintf("column %s.%s %s; it stays NULL in restored rows", t.name(), c.Name, what)}
}

// wholly is value as all that there is of it: what xml prints leaves out what its
// declaration says, in either form; as text it is as it was written.
func wholly(value string, of columnDetail) string {
	switch of.bare {
	case "xml":
		return value + "::text"
	case "xml[]":
		return value + "::text[]"
	}
	return value
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
	case 142, 143, // xml and its array; see wholly
		24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191, // regproc … regcollation
		1008, 2207, 2208, 2209, 2210, 2211, 3735, 3770, 4090, 4097, 4192, // their arrays
		1033, 1034, 790: // aclitem and its array, money-independent refcursor
		return false
	}
	return true
}

// howToConvert is the way out where values of a column do not fit as they are.
func (t *table) howToConvert(column string) string {
	return fmt.Sprintf("Say how to convert them in the configuration: restore: {tables: {%s: {columns: {%s: SQL}}}}", t.name(), column)
}
