package catalog

// Before PostgreSQL 15 an UPDATE that moves a row to another partition sets off what a
// DELETE of it does: foreign keys that reference the partitioned table take their rows
// along, or cut their links. An INSERT moves none.

const movesAsUpdates = 150000

// moved leads from a partitioned table to what hangs on it, and returns it if rows are
// removed with one that an UPDATE moves.
func (l *loader) moved(g *graph) (seeds []seed) {
	if l.snapshot.Version >= movesAsUpdates {
		return nil
	}
	for _, t := range l.snapshot.sorted() {
		if t.Kind != 'p' {
			continue
		}
		write := node{kind: writing, oid: t.OID}
		for _, x := range t.family() {
			for _, k := range x.ReferencedBy {
				switch {
				case k.OnDelete == Cascade:
					seeds = append(seeds, seed{write, "foreign key " + k.Name + ": a row that moves to another partition"})
				case k.OnDelete.sets():
					g.edge(node{kind: writing, oid: k.Child.OID}, write, "")
				}
			}
		}
	}
	return seeds
}

// moves are the names of tables by which only what updates them may delete, where deletes
// is all that may.
func (g *graph) moves(seeds []seed, deletes map[node]Why) map[string]bool {
	if len(seeds) == 0 {
		return nil
	}
	direct := g.spread(seeds, func(n node) bool { return n.kind != writing && n.kind != target })
	var others []seed
	for n, why := range deletes {
		if _, is := direct[n]; !is {
			others = append(others, seed{n, string(why)})
		}
	}
	elsewhere, names := g.spread(others, nil), map[string]bool{}
	for n := range direct {
		if _, is := elsewhere[n]; !is && n.kind == target {
			names[n.name] = true
		}
	}
	return names
}
