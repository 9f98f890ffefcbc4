package catalog

import (
	"maps"
	"strings"
)

// use says that a definition uses a function, type or relation; see edgesSQL.
type use struct {
	dependent   string
	owner       uint32
	used        node
	description string
	rowType     uint32
}

// use: dependent, its oid, kind used, oid used, description, row type.
func (l *loader) use(d document) {
	u := use{dependent: d.text(0), owner: d.oid(1), description: d.text(4), rowType: d.oid(5)}
	switch d.text(2) {
	case "function":
		u.used = node{kind: function, oid: d.oid(3)}
	case "type":
		u.used = node{kind: typing, oid: d.oid(3)}
	case "relation":
		u.used = node{kind: reading, oid: d.oid(3)}
	case "text":
		u.used = node{kind: runner}
	}
	l.uses = append(l.uses, u)
}

// reach computes Reach and what depends on it.
func (l *loader) reach() {
	g := &graph{edges: map[node][]edge{}, labels: map[node]string{}}
	for _, t := range l.snapshot.sorted() {
		l.addTable(g, t)
	}
	l.snapshot.functions = make(map[uint32]bool, len(l.functions))
	for _, f := range l.functions {
		l.snapshot.functions[f.oid] = true
		g.labels[f.node()] = f.label()
		g.edge(f.node(), node{kind: mention, name: Fold(f.name)}, "")
		g.edge(f.node(), node{kind: runner}, "")
	}
	for _, name := range textRunners() {
		g.edge(node{kind: runner}, node{kind: mention, name: name}, "built-in "+name+" runs text or reads by name")
	}
	for _, u := range l.uses {
		l.addUse(g, u)
	}
	for _, r := range l.triggers {
		l.addTrigger(g, r)
	}
	for oid, name := range l.domains {
		g.labels[node{kind: typing, oid: oid}] = "type " + name
		g.edge(node{kind: typing, oid: oid}, node{kind: mention, name: Fold(name)}, "")
	}
	b := bodies{graph: g, known: l.knownNames(), far: map[string]bool{}}
	for _, t := range l.snapshot.Tables {
		if t.HoldsForeign() {
			b.far[Fold(t.Name)] = true
		}
	}
	for _, r := range l.rules {
		if r.enabled && r.deletes {
			b.deletes = append(b.deletes, seed{r.node(), "rule " + r.name + ": DELETE"})
		}
	}
	procedures := map[node]bool{}
	var committing, renaming []seed
	for _, f := range l.functions {
		body := f.body()
		b.add(f.node(), body)
		if body.deletes != "" && strings.Contains(Fold(f.source+f.atomic+f.settings), "track_counts") {
			b.unseen = append(b.unseen, seed{f.node(), body.deletes + " where track_counts is set"})
		}
		if body.renames {
			renaming = append(renaming, seed{f.node(), "search_path or the role"})
		}
		if f.kind == 'p' {
			procedures[f.node()] = true
			if body.commits {
				committing = append(committing, seed{f.node(), "COMMIT or ROLLBACK"})
			}
		}
	}
	moved := l.moved(g)
	deletes, unseen := g.spread(append(b.deletes, moved...), nil), g.spread(b.unseen, nil)
	commits := g.spread(committing, func(n node) bool { return n.kind != mention && !procedures[n] })
	if len(renaming) > 0 {
		l.addLosses(g)
	}
	l.conclude(deletes, unseen, commits, g.spread(renaming, nil))
	l.snapshot.Reach.Moves = g.moves(moved, deletes)
}

// bodies collects what the bodies of functions delete by themselves, and leads
// from what they name to the functions.
type bodies struct {
	graph *graph
	known map[string]bool // the other words of a body name nothing
	far   map[string]bool // names of tables that hold rows of foreign ones

	deletes, unseen []seed
}

func (s *bodies) add(n node, b body) {
	if b.deletes != "" {
		s.deletes = append(s.deletes, seed{n, b.deletes})
	}
	for name, written := range b.names {
		if !s.known[name] {
			continue
		}
		if s.far[name] && b.deletes != "" {
			s.unseen = append(s.unseen, seed{n, b.deletes + " and the foreign table " + name})
		}
		s.graph.edge(node{kind: mention, name: name}, n, "")
		if written {
			s.graph.edge(node{kind: target, name: name}, n, "")
		}
		if b.deletes != "" {
			s.graph.edge(node{kind: removal, name: name}, n, "")
		}
	}
	if b.ddl {
		s.graph.edge(node{kind: ddl}, n, "")
	}
}

func (l *loader) knownNames() map[string]bool {
	known := map[string]bool{}
	for name := range l.snapshot.byName {
		known[Fold(name)] = true
	}
	for _, f := range l.functions {
		known[Fold(f.name)] = true
	}
	for _, name := range l.domains {
		known[Fold(name)] = true
	}
	for _, name := range textRunners() {
		known[name] = true
	}
	return known
}

// conclude turns the nodes found into names.
func (l *loader) conclude(deletes, unseen, commits, renames map[node]Why) {
	s := l.snapshot
	s.taint = deletes
	s.Reach = Reach{
		Reads:      named(deletes, mention),
		Names:      named(deletes, target),
		Unseen:     named(unseen, target),
		Commits:    named(commits, mention),
		DDL:        deletes[node{kind: ddl}],
		Everything: string(deletes[node{kind: everything}]),

		Renames:         named(renames, target),
		RenamesReads:    named(renames, mention),
		RenamesRemovals: named(renames, removal),
	}
	for n := range deletes {
		s.Reach.Types = s.Reach.Types || n.kind == typing
	}
	maps.Copy(s.Reach.Names, s.Reach.Reads)
	if why := s.Reach.DDL; why != "" && s.Version >= 170000 { // it fires event triggers since then
		s.Reach.Names["reindex"] = why
	}
	maps.Copy(s.Reach.Unseen, named(unseen, mention))
	maps.Copy(s.Reach.Renames, s.Reach.RenamesReads)
	l.unsafeTriggers()
}

func named(found map[node]Why, kind nodeKind) map[string]Why {
	names := map[string]Why{}
	for n, why := range found {
		if n.kind == kind {
			names[n.name] = why
		}
	}
	return names
}
