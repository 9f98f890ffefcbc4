package guard

import (
	"log/slog"
	"slices"

	"github.com/rowback/rowback/guard/policy"
)

// misnamed is what has been said about names in a policy's rules.
type misnamed struct {
	of   *policy.Policy
	view *view // looked at last
	told []string
}

// checkNames warns, once for a policy, of names in its rules that are for no rows as
// surely as can be told: a partition's, or in the wrong case. One that nothing is like
// may be another database's.
func (d *database) checkNames(p *policy.Policy, v *view, log *slog.Logger) {
	d.mu.Lock()
	defer d.mu.Unlock()
	said := &d.misnamed
	if said.of != p {
		*said = misnamed{of: p}
	}
	if said.view == v || d.standby {
		return
	}
	said.view = v
	roots := make(map[policy.Name]policy.Name, len(v.snap.Tables))
	for _, t := range v.snap.Tables {
		root := t.Root()
		roots[policy.Name{Schema: t.Schema, Table: t.Name}] = policy.Name{Schema: root.Schema, Table: root.Name}
	}
	for _, m := range p.Misnamed(d.name, roots) {
		because := ""
		switch {
		case len(m.Roots) > 0:
			because = "rows of a partition fall under the rules for " + m.Roots[0].String()
		case m.Like != policy.Name{}:
			because = "the table is called " + m.Like.String()
		default:
			continue
		}
		if key := m.Rule.Name + ", " + m.Glob; !slices.Contains(said.told, key) {
			said.told = append(said.told, key)
			log.Warn("a rule is not in force for a table that it names", "rule", m.Rule.Name, "table", m.Glob, "database", d.name, "because", because)
		}
	}
}
