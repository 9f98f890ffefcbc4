package graph

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// Graph is tables and the foreign keys between them, parents before children
// as far as cycles allow.
type Graph struct {
	Tables   []*Table
	Keys     []*Key
	Incident *journal.Entry // whose row counts are on the tables; nil: none
	Notes    []string       // what could not be shown
}

// Table is a node.
type Table struct {
	Schema, Name string
	Estimated    int64 // rows, -1 if not known
	Partitions   int
	Asked        bool // named by the person, or by the incident
	Removed      int64
	Cut          int64 // rows whose link was cut
	Via          []journal.Via

	oid uint32
}

// Display is the table's name as SQL quotes it, without the usual schema.
func (t *Table) Display() string {
	if t.Schema == "public" {
		return journal.QuoteName("", t.Name)
	}
	return journal.QuoteName(t.Schema, t.Name)
}

// Key is an edge, one foreign key.
type Key struct {
	Name                   string
	Child, Parent          *Table
	Columns, ParentColumns []string
	OnDelete               catalog.Action
	Validated              bool
}

// Options of Build.
type Options struct {
	Tables   []string       // around these (name or schema.name); none: those of Incident, or all
	Depth    int            // foreign keys away from them
	Incident *journal.Entry // nil: none
}

// Build finds the tables and foreign keys to draw.
func Build(s *catalog.Snapshot, o Options) (*Graph, error) {
	b := &builder{snapshot: s, graph: &Graph{Incident: o.Incident}, tables: map[uint32]*Table{}}
	asked, err := b.asked(o)
	if err != nil {
		return nil, err
	}
	if asked == nil {
		for _, t := range s.Tables {
			if recovery.HoldsRows(t) {
				b.table(t)
			}
		}
	} else {
		b.around(asked, o.Depth)
	}
	b.keys()
	b.mark(o.Incident)
	b.graph.sort()
	return b.graph, nil
}

type builder struct {
	snapshot *catalog.Snapshot
	graph    *Graph
	tables   map[uint32]*Table
}

func drawn(t *catalog.Table) bool { return (t.Kind == 'r' || t.Kind == 'p') && !t.Temporary }

// asked are the tables to begin at; nil: all.
func (b *builder) asked(o Options) ([]*catalog.Table, error) {
	var asked []*catalog.Table
	var problems []string
	for _, name := range o.Tables {
		schema, table := journal.SplitName(name)
		t, err := recovery.FindTable(b.snapshot, schema, table)
		switch {
		case err != nil:
			problems = append(problems, err.Error())
		case !drawn(t):
			problems = append(problems, journal.QuoteName(t.Schema, t.Name)+" is no table")
		default:
			asked = append(asked, t.Root())
		}
	}
	if err := recovery.Refuse(recovery.Usage, problems...); err != nil {
		return nil, err
	}
	if o.Incident == nil || len(o.Tables) > 0 {
		return asked, nil
	}
	asked = []*catalog.Table{} // nothing is not everything
	for _, share := range o.Incident.Tables {
		if t := b.snapshot.Lookup(share.Schema, share.Name); t != nil && drawn(t) {
			asked = append(asked, t.Root())
		}
	}
	return asked, nil
}

// around adds the asked tables and what is at most depth foreign keys away.
func (b *builder) around(asked []*catalog.Table, depth int) {
	near := asked
	for _, t := range asked {
		b.table(t).Asked = true
	}
	for range depth {
		var next []*catalog.Table
		for _, t := range near {
			for _, n := range neighbours(t) {
				if b.tables[n.OID] == nil {
					b.table(n)
					next = append(next, n)
				}
			}
		}
		near = next
	}
}

func neighbours(root *catalog.Table) (out []*catalog.Table) {
	for _, t := range append([]*catalog.Table{root}, root.Leaves()...) {
		for _, fk := range t.References {
			out = append(out, fk.Parent.Root())
		}
		for _, fk := range t.ReferencedBy {
			out = append(out, fk.Child.Root())
		}
	}
	return out
}

// table is the node of a table that is no partition.
func (b *builder) table(t *catalog.Table) *Table {
	if n := b.tables[t.OID]; n != nil {
		return n
	}
	n := &Table{Schema: t.Schema, Name: t.Name, oid: t.OID, Estimated: -1}
	for _, leaf := range t.Leaves() {
		if leaf != t {
			n.Partitions++
		}
		if leaf.EstimatedRows >= 0 {
			n.Estimated = max(n.Estimated, 0) + int64(leaf.EstimatedRows)
		}
	}
	if t.Kind != 'p' {
		n.Partitions = 0 // inheritance children
	}
	b.tables[t.OID] = n
	b.graph.Tables = append(b.graph.Tables, n)
	return n
}

// keys adds every foreign key between the tables, those that all partitions
// have each for itself once.
func (b *builder) keys() {
	seen := map[string]bool{}
	for _, t := range b.snapshot.Tables {
		for _, fk := range t.References {
			child, parent := b.tables[fk.Child.Root().OID], b.tables[fk.Parent.Root().OID]
			if fk.Child != t || child == nil || parent == nil {
				continue
			}
			k := &Key{Name: fk.Name, Child: child, Parent: parent, Columns: fk.Columns, ParentColumns: fk.ParentColumns, OnDelete: fk.OnDelete, Validated: fk.Validated}
			id := strings.Join([]string{child.Display(), parent.Display(), strings.Join(fk.Columns, "\x1f"), strings.Join(fk.ParentColumns, "\x1f"), string(rune(fk.OnDelete))}, "\x1e")
			if t.Partition && seen[id] {
				continue
			}
			seen[id] = true
			b.graph.Keys = append(b.graph.Keys, k)
		}
	}
}

// sort puts parents before children, by name where that leaves a choice.
func (g *Graph) sort() {
	slices.SortFunc(g.Tables, func(a, b *Table) int { return cmp.Compare(a.Schema+"\x00"+a.Name, b.Schema+"\x00"+b.Name) })
	slices.SortFunc(g.Keys, func(a, b *Key) int {
		return cmp.Or(cmp.Compare(a.Child.Schema+"\x00"+a.Child.Name, b.Child.Schema+"\x00"+b.Child.Name), cmp.Compare(a.Name, b.Name),
			cmp.Compare(strings.Join(a.Columns, ","), strings.Join(b.Columns, ",")))
	})
	rank := g.ranks()
	slices.SortStableFunc(g.Tables, func(a, b *Table) int { return cmp.Compare(rank[a], rank[b]) })
}

// ranks is how many foreign keys a table is below the topmost parents, along
// the longest way; foreign keys that close a cycle do not count.
func (g *Graph) ranks() map[*Table]int {
	up := map[*Table][]*Table{}
	for _, k := range g.Keys {
		if k.Child != k.Parent {
			up[k.Child] = append(up[k.Child], k.Parent)
		}
	}
	rank, open := map[*Table]int{}, map[*Table]bool{}
	var visit func(t *Table) int
	visit = func(t *Table) int {
		if r, done := rank[t]; done {
			return r
		}
		open[t] = true
		r := 0
		for _, p := range up[t] {
			if !open[p] {
				r = max(r, visit(p)+1)
			}
		}
		open[t] = false
		rank[t] = r
		return r
	}
	for _, t := range g.Tables {
		visit(t)
	}
	return rank
}
