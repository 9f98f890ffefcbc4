package catalog

import "slices"

// Lookup returns the relation of that schema and name, both exact, or nil.
// Which schema a bare name means is for the session to say.
func (s *Snapshot) Lookup(schema, name string) *Table {
	for _, t := range s.byName[name] {
		if t.Schema == schema {
			return t
		}
	}
	return nil
}

// Named returns the relations of that name in any schema.
func (s *Snapshot) Named(name string) []*Table { return s.byName[name] }

// Root is the topmost partitioned table that t is a partition of, else t.
func (t *Table) Root() *Table {
	for t.Partition && t.Parent != nil {
		t = t.Parent
	}
	return t
}

// Leaves returns the tables that hold t's rows: of a partitioned table its
// leaf partitions, of any other table itself and its inheritance children.
func (t *Table) Leaves() []*Table {
	var leaves []*Table
	for _, x := range t.family() {
		if x.Kind != 'p' {
			leaves = append(leaves, x)
		}
	}
	return leaves
}

// HoldsForeign reports whether rows of t, or of what it is a view of, are those
// of a foreign table: the server does not count their removal.
func (t *Table) HoldsForeign() bool {
	return t.Kind == 'f' || slices.ContainsFunc(t.Children, (*Table).HoldsForeign) || t.Kind == 'v' && slices.ContainsFunc(t.Bases, (*Table).HoldsForeign)
}

// family is t and everything below it by partitioning and inheritance, each
// once (a table may inherit from several).
func (t *Table) family() []*Table {
	all, seen := []*Table{t}, map[*Table]bool{t: true}
	for i := 0; i < len(all); i++ {
		for _, c := range all[i].Children {
			if !seen[c] {
				seen[c] = true
				all = append(all, c)
			}
		}
	}
	return all
}

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// QuotedName is schema and name for use in SQL.
func (t *Table) QuotedName() string { return quote(t.Schema) + "." + quote(t.Name) }
