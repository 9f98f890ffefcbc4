package recovery

import (
	"fmt"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// reference is what rows of one table refer to rows of another by: a foreign
// key of production, or a polymorphic reference that the configuration
// declares, which no constraint guards.
type reference struct {
	*catalog.ForeignKey
	typeColumn, typeValue string // polymorphic: of the rows that it is about; "" for a foreign key
	asText                bool   // polymorphic: the two columns are of different types
	within                string // the condition, over unqualified column names, that a row is in the only partition it holds for; "" if for all
}

// references of a table: its own foreign keys, those that only some of its
// partitions have, and those declared.
func (t *table) references() []reference {
	var out []reference
	seen := map[*catalog.ForeignKey]bool{}
	for _, fk := range t.live.References {
		seen[fk] = true
		out = append(out, reference{ForeignKey: fk})
	}
	if t.live.Kind == 'p' { // what inherits from another table holds none of its rows
		for _, leaf := range t.live.Leaves() {
			for _, fk := range leaf.References {
				if !seen[fk] {
					seen[fk] = true
					out = append(out, reference{ForeignKey: fk, within: t.detail.leaves[leaf.OID]})
				}
			}
		}
	}
	return append(out, t.declared...)
}

// referring are the references to t or a partition of it.
func (r *restore) referring(t *table) (out []reference) {
	parents := []*catalog.Table{t.live}
	if t.live.Kind == 'p' {
		parents = append(parents, t.live.Leaves()...)
	}
	seen := map[*catalog.ForeignKey]bool{}
	for _, p := range parents {
		for _, fk := range p.ReferencedBy {
			if !seen[fk] {
				seen[fk] = true
				out = append(out, reference{ForeignKey: fk})
			}
		}
	}
	for _, d := range r.mapping.declare {
		if d.ref.Parent == t.live {
			out = append(out, d.ref)
		}
	}
	return out
}

func (r reference) polymorphic() bool { return r.typeColumn != "" }

// title names it in checks and notes.
func (r reference) title() string {
	if r.polymorphic() {
		return "reference " + r.Name
	}
	return "foreign key " + r.Name
}

// reads are the columns of the child that the reference looks at.
func (r reference) reads() []string {
	if r.polymorphic() {
		return append([]string{r.typeColumn}, r.Columns...)
	}
	return r.Columns
}

// values are the referring columns of alias.
func (r reference) values(alias string) []string { return prefixed(alias, r.Columns) }

// applies is the condition that the row of alias refers to a parent at all:
// none of the columns is null (with MATCH SIMPLE, and MATCH FULL in a valid
// row), the type is the reference's, and it belongs to its partition.
func (r reference) applies(alias string) string {
	out := notNull(alias, r.Columns)
	if r.polymorphic() {
		out += " AND " + alias + "." + quote(r.typeColumn) + "::text = " + literal(r.typeValue)
	}
	if r.within != "" {
		out += " AND (SELECT " + r.within + " FROM (SELECT " + alias + ".*) rowback_leaf)"
	}
	return out
}

// lacks is the condition that a row with these values in the referring columns
// has no parent in any of the FROM items; of a foreign key with PERIOD, that the
// ranges of the parents there leave some of its own range out.
func (r reference) lacks(values []string, parents ...string) string {
	out := make([]string, len(parents))
	if !r.Period {
		for i, parent := range parents {
			out[i] = fmt.Sprintf("NOT EXISTS (SELECT FROM %s p WHERE %s)", parent, r.refers("p", values))
		}
		return strings.Join(out, " AND ")
	}
	last := len(values) - 1
	for i, parent := range parents {
		out[i] = fmt.Sprintf("SELECT p.%s AS rowback_range FROM %s p WHERE %s", quote(r.ParentColumns[last]), parent, r.refers("p", values))
	}
	return fmt.Sprintf("(SELECT range_agg(rowback_range) FROM (%s) p) @> %s IS NOT TRUE", strings.Join(out, " UNION ALL "), values[last])
}

// refers is the condition that a row with these values in the referring
// columns refers to the parent row of alias p, compared as the foreign key
// itself does; of one with PERIOD, that it is one of the parents.
func (r reference) refers(p string, values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		if r.asText {
			out[i] = p + "." + quote(r.ParentColumns[i]) + "::text = " + v + "::text"
			continue
		}
		var how catalog.Comparison
		if i < len(r.Compare) {
			how = r.Compare[i]
		}
		out[i] = how.SQL(p+"."+quote(r.ParentColumns[i]), v)
	}
	return strings.Join(out, " AND ")
}
