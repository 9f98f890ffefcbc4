package policy

import (
	"slices"
	"strings"
)

// Name is a table's.
type Name struct{ Schema, Table string }

func (n Name) String() string { return n.Schema + "." + n.Table }

// Misnamed is a name in a rule's tables by which it is for no rows.
type Misnamed struct {
	Rule *Rule
	Glob string
	// Roots are the tables that all it matches are partitions of: rows of a
	// partition fall under the rules of the whole. None: it matches nothing.
	Roots []Name
	Like  Name // what it would match in small letters; the zero Name: nothing
}

// Misnamed looks through the rules for one database. roots holds each of its tables with
// the partitioned table that it is a part of, itself where it is none's.
func (p *Policy) Misnamed(database string, roots map[Name]Name) (found []Misnamed) {
	for i := range p.Rules {
		r := &p.Rules[i]
		if !matches(r.Match.Databases, database) {
			continue
		}
		for _, g := range r.Match.Tables {
			if m := (Misnamed{Rule: r, Glob: g}); m.look(roots) {
				found = append(found, m)
			}
		}
	}
	return found
}

// look reports whether the name is for no rows. Partitions of what the rule is for are well named.
func (m *Misnamed) look(roots map[Name]Name) bool {
	for t, root := range roots {
		switch {
		case !MatchesTable([]string{m.Glob}, t.Schema, t.Table):
			if m.Like == (Name{}) && MatchesTable([]string{strings.ToLower(m.Glob)}, t.Schema, t.Table) {
				m.Like = t
			}
		case m.Rule.Match.table(root.Schema, root.Table):
			return false
		case !slices.Contains(m.Roots, root):
			m.Roots = append(m.Roots, root)
		}
	}
	return true
}
