package policy

// Stricter is the rule for another table, in the sessions that a rule is for, where that
// judges more strictly; nil: it is the same rule, or none that is stricter. Rules that
// are for some of these sessions only are not looked at.
func (p *Policy) Stricter(than *Rule, table Name) *Rule {
	r := p.beside(than, table)
	a, b := r.Mode.Severity(), than.Mode.Severity()
	if r != than && (a > b || a == b && a > 0 && (below(r.Statement, than.Statement) || below(r.Transaction, than.Transaction))) {
		return r
	}
	return nil
}

// Decides reports whether a rule is the one for a table, in the sessions that it is for.
func (p *Policy) Decides(r *Rule, table Name) bool { return p.beside(r, table) == r }

// beside is the rule for a table in all sessions that another rule is for.
func (p *Policy) beside(of *Rule, table Name) *Rule {
	for i := range p.Rules {
		if r := &p.Rules[i]; r.Match.coversSessions(&of.Match) && r.Match.table(table.Schema, table.Table) {
			return r
		}
	}
	return &p.Default
}

func below(limit, other int64) bool {
	return limit != Unlimited && (other == Unlimited || limit < other)
}
