package policy

// KeepsRows reports whether whole rows of a table are kept by every rule that they
// may fall under, whoever removes them (all), and by one at least (some).
func (p *Policy) KeepsRows(database, schema, table string) (all, some bool) {
	all = true
	look := func(r *Rule) {
		kept := r.Capture == CaptureRows && r.Mode != Off
		all, some = all && kept, some || kept
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if !matches(r.Match.Databases, database) || !r.Match.table(schema, table) {
			continue
		}
		look(r)
		if m := &r.Match; len(m.Users)+len(m.Applications)+len(m.Networks) == 0 && !m.Local {
			return all, some // what comes after it is never reached
		}
	}
	look(&p.Default)
	return all, some
}
