package recovery

import (
	"slices"

	"github.com/rowback/rowback/catalog"
)

// components returns the tables in the order of insertion, parents before
// children; tables that refer to each other in a circle come together, to be
// inserted by one statement. (Tarjan's algorithm, whose components come out
// parents first when edges lead from child to parent.)
func components(tables []*table) [][]*table {
	byLive := map[*catalog.Table]*table{}
	for _, t := range tables {
		byLive[t.live] = t
	}
	var (
		out     [][]*table
		stack   []*table
		index   = map[*table]int{} // 1, 2, … in order of discovery
		low     = map[*table]int{}
		onStack = map[*table]bool{}
		visit   func(*table)
	)
	visit = func(t *table) {
		index[t] = len(index) + 1
		low[t] = index[t]
		stack = append(stack, t)
		onStack[t] = true
		for _, ref := range t.references() {
			p := byLive[ref.Parent.Root()]
			switch {
			case p == nil:
			case index[p] == 0:
				visit(p)
				low[t] = min(low[t], low[p])
			case onStack[p]:
				low[t] = min(low[t], index[p])
			}
		}
		if low[t] != index[t] {
			return
		}
		at := slices.Index(stack, t)
		component := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, m := range component {
			onStack[m] = false
		}
		out = append(out, component)
	}
	for _, t := range tables {
		if index[t] == 0 {
			visit(t)
		}
	}
	return out
}
