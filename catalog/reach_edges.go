package catalog

import "slices"

// addTable leads from a table's reading, writing and deleting to its name, to
// its parents', and over foreign keys.
func (l *loader) addTable(g *graph, t *Table) {
	read, write, remove := node{kind: reading, oid: t.OID}, node{kind: writing, oid: t.OID}, node{kind: removing, oid: t.OID}
	name := "table " + t.Schema + "." + t.Name
	if t.Kind == 'v' || t.Kind == 'm' {
		name = "view " + t.Schema + "." + t.Name
	}
	g.labels[read], g.labels[write], g.labels[remove] = name, name, name
	g.edge(read, node{kind: mention, name: Fold(t.Name)}, "")
	g.edge(write, node{kind: target, name: Fold(t.Name)}, "")
	g.edge(read, write, "")
	g.edge(read, remove, "")
	g.edge(read, node{kind: runner}, "")
	for _, oid := range l.parents[t] {
		g.edge(read, node{kind: reading, oid: oid}, "")
		g.edge(write, node{kind: writing, oid: oid}, "")
	}
	if t.Partition || t.Kind == 'p' {
		// UPDATE moves rows between partitions by deleting and inserting them.
		g.edge(remove, write, "")
	}
	for _, k := range t.ReferencedBy {
		// UPDATE of the key updates the child's rows.
		if k.OnUpdate == Cascade || k.OnUpdate.sets() {
			g.edge(node{kind: writing, oid: k.Child.OID}, write, "")
		}
	}
}

// addLosses leads from what deleting from a table sets off to the names of the tables and
// views a DELETE from which reaches it; see fired.
func (l *loader) addLosses(g *graph) {
	for _, t := range l.snapshot.Tables {
		loss := node{kind: losing, oid: t.OID}
		g.edge(node{kind: removing, oid: t.OID}, loss, "")
		g.edge(loss, node{kind: removal, name: Fold(t.Name)}, "")
		for _, x := range t.Children {
			g.edge(node{kind: losing, oid: x.OID}, loss, "")
		}
		for _, x := range t.Bases {
			g.edge(node{kind: losing, oid: x.OID}, loss, "")
		}
		for _, k := range t.ReferencedBy {
			switch {
			case k.OnDelete == Cascade:
				g.edge(node{kind: losing, oid: k.Child.OID}, loss, "")
			case k.OnDelete.sets():
				g.edge(node{kind: writing, oid: k.Child.OID}, loss, "")
			}
		}
	}
}

// addTrigger leads from the functions of a trigger to what fires it.
func (l *loader) addTrigger(g *graph, r *triggerRow) {
	if f := (node{kind: function, oid: r.oid}); !slices.Contains(r.uses, f) {
		r.uses = append(r.uses, f)
	}
	if !r.enabled() {
		return
	}
	for _, n := range r.uses {
		if r.bits&(triggerInsert|triggerUpdate) != 0 {
			g.edge(n, node{kind: writing, oid: r.table.OID}, "trigger "+r.trigger.Name)
		}
		if r.bits&triggerDelete != 0 {
			g.edge(n, node{kind: removing, oid: r.table.OID}, "trigger "+r.trigger.Name)
		}
	}
}

// addUse leads from what a definition uses to what evaluates the definition.
func (l *loader) addUse(g *graph, u use) {
	switch u.dependent {
	case "function":
		g.edge(u.used, node{kind: function, oid: u.owner}, "")
	case "trigger":
		if r := l.triggers[u.owner]; r != nil && !slices.Contains(r.uses, u.used) {
			r.uses = append(r.uses, u.used)
		}
	case "rule":
		l.addRuleUse(g, u)
	case "read":
		// A policy; it is not looked at while row security is off.
		if t := l.snapshot.Tables[u.owner]; t != nil && t.RowSecurity {
			g.edge(u.used, node{kind: reading, oid: u.owner}, "policy")
		}
	case "write":
		g.edge(u.used, node{kind: writing, oid: u.owner}, "definition")
		t := l.snapshot.Tables[u.owner]
		if l.virtual[t] {
			g.edge(u.used, node{kind: reading, oid: u.owner}, "definition")
		}
		if t != nil && t.RowSecurity {
			g.edge(u.used, node{kind: removing, oid: u.owner}, "policy") // perhaps FOR DELETE
		}
	case "relation":
		g.edge(u.used, node{kind: writing, oid: u.owner}, "definition")
		if u.rowType != 0 {
			g.edge(u.used, node{kind: typing, oid: u.rowType}, "")
		}
	case "type":
		g.edge(u.used, node{kind: typing, oid: u.owner}, "constraint")
	case "ddl":
		g.edge(u.used, node{kind: ddl}, "event trigger")
	case "everything":
		g.edge(u.used, node{kind: everything}, u.description)
	}
}

// addRuleUse: a view's query reads relations and calls functions. The actions of
// other rules may also write to each relation that they use.
func (l *loader) addRuleUse(g *graph, u use) {
	r := l.rules[u.owner]
	if r == nil || !r.enabled || u.used == (node{kind: reading, oid: r.table.OID}) {
		return
	}
	label := ""
	if r.event != ruleSelect {
		label = "rule " + r.name
	}
	g.edge(u.used, r.node(), label)
	base := l.snapshot.Tables[u.used.oid]
	if u.used.kind != reading || base == nil {
		return
	}
	if r.event != ruleSelect {
		g.edge(node{kind: writing, oid: base.OID}, r.node(), label)
		return
	}
	r.table.Bases = append(r.table.Bases, base)
	g.edge(node{kind: writing, oid: base.OID}, node{kind: writing, oid: r.table.OID}, "")
	g.edge(node{kind: removing, oid: base.OID}, node{kind: removing, oid: r.table.OID}, "")
}
