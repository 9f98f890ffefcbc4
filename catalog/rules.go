package catalog

// ruleRow is a rewrite rule; a view's query is its rule on SELECT.
type ruleRow struct {
	table   *Table
	name    string
	event   byte // ruleSelect …
	enabled bool
	deletes bool // an action of it is a DELETE
}

// Values of pg_rewrite.ev_type.
const (
	ruleSelect = '1'
	ruleDelete = '4'
)

// rule: oid, relation, name, event, enabled, deletes.
func (l *loader) rule(d document) {
	if t := l.snapshot.Tables[d.oid(1)]; t != nil {
		l.rules[d.oid(0)] = &ruleRow{table: t, name: d.text(2), event: d.char(3), enabled: d.char(4) != 'D', deletes: d.flag(5)}
	}
}

func (l *loader) attachRules() {
	for _, r := range l.rules {
		if r.enabled && r.event == ruleDelete {
			r.table.DeleteRules = true
		}
	}
}

// node is what has to happen for the rule to apply.
func (r *ruleRow) node() node {
	switch {
	case r.event == ruleDelete:
		return node{kind: removing, oid: r.table.OID}
	case r.event == ruleSelect && r.table.Kind != 'm': // a materialized view runs its query at REFRESH
		return node{kind: reading, oid: r.table.OID}
	}
	return node{kind: writing, oid: r.table.OID}
}
