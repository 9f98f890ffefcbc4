package sqlparse

import (
	"fmt"
	"slices"
)

// graph is the steps brought into the shape that is written: one node for each
// table that loses rows, in an order in which parents come first.
type graph struct {
	nodes []*node // nodes[0] is the target
	cuts  []cut
}

// node is one table and all the foreign keys through which its rows go.
type node struct {
	step    Step // the first step that reaches the table
	index   int  // that step's index
	in      []edge
	self    []edge   // foreign keys from the table to itself
	columns []string // carried for every row: key, and what later steps need; "tableoid" comes before them
	parent  bool     // rows of other nodes or cuts hang on this one
	circle  *circle  // the tables whose cascades lead back to this one, nil if none do
}

// edge is one foreign key between rows that go and rows that follow.
type edge struct {
	from    *node
	columns [][2]string // referenced, referencing
	compare []Compare
	of      []uint32 // tableoids of the rows that it starts at; nil: all
}

// cut is one foreign key with SET NULL or SET DEFAULT.
type cut struct {
	step  Step
	index int
	edge  edge
	node  *node // the same table's cascaded rows, which count as such; nil if none
}

func (g *graph) single() bool {
	return len(g.nodes) == 1 && len(g.nodes[0].self) == 0 && len(g.cuts) == 0
}

func newGraph(steps []Step) (*graph, error) {
	if len(steps) == 0 || steps[0].Parent != -1 || len(steps[0].Old) > 0 {
		return nil, fmt.Errorf("%w: the first is the target", ErrStep)
	}
	g := &graph{}
	tables := map[Name]*node{}
	of := make([]*node, len(steps))
	for i, step := range steps {
		if i > 0 && (step.Parent < 0 || step.Parent >= i || of[step.Parent] == nil) {
			return nil, fmt.Errorf("%w: step %d (%s) hangs on no earlier step that removes rows", ErrStep, i, step.Table)
		}
		var e edge
		var err error
		if i > 0 {
			if e, err = newEdge(of[step.Parent], step.ParentColumns, step.Columns, step.Compare, step.Of); err != nil {
				return nil, fmt.Errorf("%w: step %d (%s)", err, i, step.Table)
			}
		}
		if len(step.Old) > 0 {
			if step.Self {
				return nil, fmt.Errorf("%w: step %d (%s) both cuts and cascades", ErrStep, i, step.Table)
			}
			g.addCut(cut{step: step, index: i, edge: e})
			continue
		}
		name := Name{step.Schema, step.Table}
		n := tables[name]
		if n == nil {
			n = &node{step: step, index: i}
			tables[name] = n
			g.nodes = append(g.nodes, n)
		}
		of[i] = n
		switch {
		case i == 0:
		case e.from == n:
			n.self = addEdge(n.self, e)
		default:
			n.in = addEdge(n.in, e)
		}
		if step.Self {
			if e, err = newEdge(n, step.SelfParent, step.SelfColumns, step.SelfCompare, step.SelfOf); err != nil {
				return nil, fmt.Errorf("%w: step %d (%s), self-reference", err, i, step.Table)
			}
			n.self = addEdge(n.self, e)
		}
		n.carry(step.NextColumns...)
	}
	for i := range g.cuts {
		g.cuts[i].node = tables[Name{g.cuts[i].step.Schema, g.cuts[i].step.Table}]
	}
	g.findCircles()
	for _, n := range g.nodes {
		if n.late() {
			n.carry("ctid")
		}
	}
	g.carryAll()
	g.sort()
	return g, g.hashable()
}

func newEdge(from *node, parent, columns []string, compare []Compare, of []uint32) (edge, error) {
	if len(columns) == 0 || len(parent) != len(columns) || compare != nil && len(compare) != len(columns) {
		return edge{}, fmt.Errorf("%w: columns do not pair", ErrStep)
	}
	e := edge{from: from, compare: compare, of: of}
	for i := range columns {
		e.columns = append(e.columns, [2]string{parent[i], columns[i]})
	}
	return e, nil
}

func addEdge(edges []edge, e edge) []edge {
	for _, o := range edges {
		if o.from == e.from && slices.Equal(o.columns, e.columns) && slices.Equal(o.of, e.of) {
			return edges
		}
	}
	return append(edges, e)
}

func (g *graph) addCut(c cut) {
	for _, o := range g.cuts {
		if o.step.Schema == c.step.Schema && o.step.Table == c.step.Table && o.edge.from == c.edge.from && slices.Equal(o.edge.columns, c.edge.columns) && slices.Equal(o.edge.of, c.edge.of) {
			return
		}
	}
	g.cuts = append(g.cuts, c)
}

func (n *node) carry(columns ...string) {
	for _, c := range columns {
		if !slices.Contains(n.columns, c) {
			n.columns = append(n.columns, c)
		}
	}
}

// carryAll notes which columns each node carries.
func (g *graph) carryAll() {
	follow := func(e edge) {
		for _, c := range e.columns {
			e.from.carry(c[0])
		}
	}
	for _, n := range g.nodes {
		n.carry(rowIdentity(n.step)...)
		for _, e := range n.self {
			follow(e)
		}
		for _, e := range n.in {
			follow(e)
			e.from.parent = true
		}
	}
	for _, c := range g.cuts {
		follow(c.edge)
		c.edge.from.parent = true
		if c.node != nil { // its rows are taken out of the cut's by all these values
			c.node.carry(rowIdentity(c.step)...)
			c.node.carry(names(c.step.Old)...)
			c.node.parent = true
		}
	}
}

// rowIdentity are the columns that, with tableoid, tell a table's rows apart.
func rowIdentity(s Step) []string {
	if len(s.Key) == 0 {
		return []string{"ctid"}
	}
	return names(s.Key)
}

func names(columns []KeyColumn) []string {
	var out []string
	for _, c := range columns {
		out = append(out, c.Name)
	}
	return out
}

// sort puts parents first, and what forms a circle together.
func (g *graph) sort() {
	done := map[*node]bool{}
	waits := func(n *node) bool {
		return slices.ContainsFunc(n.in, func(e edge) bool { return !done[e.from] && (n.circle == nil || e.from.circle != n.circle) })
	}
	var sorted []*node
	for len(sorted) < len(g.nodes) {
		for _, n := range g.nodes {
			group := []*node{n}
			if n.circle != nil {
				group = n.circle.nodes
			}
			if done[n] || slices.ContainsFunc(group, waits) {
				continue
			}
			for _, m := range group {
				done[m] = true
			}
			sorted = append(sorted, group...)
		}
	}
	g.nodes = sorted
}

// hashable refuses a self-reference whose rows PostgreSQL cannot hash: a
// recursive UNION needs it.
func (g *graph) hashable() error {
	for _, n := range g.nodes {
		if len(n.self) == 0 || n.circle != nil {
			continue
		}
		for _, k := range n.step.Key {
			switch k.Type {
			case "money", "bit", "varbit", "tsvector", "tsquery":
				return fmt.Errorf("%w: %s as the key of a table that references itself (%s)", ErrKeyType, k.Type, n.step.Table)
			}
		}
	}
	return nil
}
