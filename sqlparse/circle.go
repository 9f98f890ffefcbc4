package sqlparse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// circle is several tables whose cascades lead back to each other. Their rows are
// found together: each by its place, for they have no columns in common.
type circle struct{ nodes []*node }

func (c *circle) cte() string { return "m" + strconv.Itoa(c.nodes[0].index) }

// findCircles groups the nodes that reach each other.
func (g *graph) findCircles() {
	reach := map[*node]map[*node]bool{}
	var visit func(from, n *node)
	visit = func(from, n *node) {
		for _, o := range g.nodes {
			if !reach[from][o] && slices.ContainsFunc(o.in, func(e edge) bool { return e.from == n }) {
				reach[from][o] = true
				visit(from, o)
			}
		}
	}
	for _, n := range g.nodes {
		reach[n] = map[*node]bool{}
		visit(n, n)
	}
	for _, n := range g.nodes {
		if n.circle != nil || !reach[n][n] {
			continue
		}
		n.circle = &circle{nodes: []*node{n}}
		for _, o := range g.nodes {
			if o != n && reach[n][o] && reach[o][n] {
				o.circle = n.circle
				n.circle.nodes = append(n.circle.nodes, o)
			}
		}
	}
}

// circle writes the CTE of the places of a circle's rows that follow others: the
// table's node, tableoid, and the ctid as text, which every version can hash.
func (w *writer) circle(c *circle) {
	var seeds, steps []string
	for _, n := range c.nodes {
		for _, e := range append(slices.Clone(n.in), n.self...) {
			from := e.from.cte()
			switch {
			case e.from.index == 0 && e.from.circle == c: // as the DELETE returns them: it may have seen newer versions
				from = "d"
			case e.from.circle == c:
				from = ""
			}
			if from != "" {
				seeds = append(seeds, fmt.Sprintf("SELECT %d, x.t, x.i::pg_catalog.text FROM (%s) x(t, i)", n.index, w.rows(w.followed(n), []string{"ctid"}, "", from, []edge{e})))
			}
			if e.from.circle == c {
				steps = append(steps, fmt.Sprintf("SELECT %d AS n, y.tableoid AS t, y.ctid::pg_catalog.text AS i FROM %s AS z, %s AS y WHERE %s AND %s",
					n.index, table(w.followed(e.from)), table(w.followed(n)), placed("r", e.from, "z"), refers(e, func(column string) string { return "z." + quoteIdent(column) })))
			}
		}
	}
	fmt.Fprintf(&w.sql, ",\n%s(n, t, i) AS (WITH RECURSIVE r(n, t, i) AS ((%s) UNION SELECT q.n, q.t, q.i FROM r, LATERAL (%s OFFSET 0) q) SELECT n, t, i FROM r)",
		c.cte(), strings.Join(seeds, " UNION "), strings.Join(steps, " UNION ALL "))
}

// circled selects a node's rows that its circle has found.
func (w *writer) circled(n *node) string {
	var list []string
	for _, c := range append([]string{"tableoid"}, n.columns...) {
		list = append(list, "y."+quoteIdent(c))
	}
	return fmt.Sprintf("SELECT x.* FROM %s p, LATERAL (SELECT %s FROM %s AS y WHERE %s OFFSET 0) x", n.circle.cte(), strings.Join(list, ", "), table(w.followed(n)), placed("p", n, "y"))
}

// placed is the condition that the row of alias y is the one of node n at p's place.
func placed(p string, n *node, y string) string {
	return fmt.Sprintf("%[1]s.n OPERATOR(pg_catalog.=) %[2]d AND %[3]s.tableoid OPERATOR(pg_catalog.=) %[1]s.t AND %[3]s.ctid OPERATOR(pg_catalog.=) %[1]s.i::pg_catalog.tid", p, n.index, y)
}
