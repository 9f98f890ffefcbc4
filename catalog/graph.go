package catalog

import "strings"

// node is something that may delete rows when it is used.
type node struct {
	kind nodeKind
	oid  uint32
	name string
}

type nodeKind byte

const (
	function   nodeKind = iota // calling the function
	reading                    // reading the relation
	writing                    // inserting into or updating the relation
	removing                   // deleting from the relation: by its triggers, rules and policies, not the DELETE itself
	losing                     // deleting from the relation, and what that reaches: cascades, partitions, heirs, under a view
	typing                     // making a value of the domain or composite type
	mention                    // a text that names it calls or reads it (name, folded)
	target                     // a text that writes to the name (name, folded)
	removal                    // a text that deletes from the name (name, folded)
	ddl                        // any DDL command
	runner                     // the server's functions that run text
	everything                 // any statement
)

// graph leads from what may delete to all that may delete because of it.
type graph struct {
	edges  map[node][]edge
	labels map[node]string // "function app.purge", for people
}

type edge struct {
	to    node
	label string // what stands between ("trigger t_upd"), may be ""
}

func (g *graph) edge(from, to node, label string) {
	g.edges[from] = append(g.edges[from], edge{to, label})
}

// spread returns all nodes that the seeds lead to, themselves included, with
// the shortest reason for each. Nodes that skip refuses are not entered.
func (g *graph) spread(seeds []seed, skip func(node) bool) map[node]Why {
	found := make(map[node]Why)
	var queue []node
	enter := func(n node, why string) {
		if _, ok := found[n]; ok || skip != nil && skip(n) {
			return
		}
		found[n] = Why(why)
		queue = append(queue, n)
	}
	for _, s := range seeds {
		enter(s.node, g.reason(s.node, s.why, ""))
	}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, e := range g.edges[n] {
			enter(e.to, g.reason(e.to, string(found[n]), e.label))
		}
	}
	return found
}

// seed is a node that deletes by itself.
type seed struct {
	node node
	why  string
}

func (g *graph) reason(n node, why, label string) string {
	for _, l := range []string{label, g.labels[n]} {
		if l != "" && !strings.HasPrefix(why, l+": ") && strings.Count(why, ": ") < 6 {
			why = l + ": " + why
		}
	}
	return why
}
