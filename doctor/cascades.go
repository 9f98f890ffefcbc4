package doctor

import (
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
)

// cascades: rules that name tables, and not those from which a DELETE there takes rows
// along: where these fall under a stricter rule, that one's word counts.
func (e *examination) cascades(s *catalog.Snapshot) {
	for i := range e.o.Policy.Rules {
		r := &e.o.Policy.Rules[i]
		if len(r.Match.Tables) == 0 || !isFor(r, s.Database) {
			continue
		}
		var strays []string
		for _, t := range s.Tables {
			if t.Partition || !e.o.Policy.Decides(r, named(t)) {
				continue
			}
			for _, step := range t.Reached(false).Steps[1:] {
				to := named(step.Table.Root())
				if other := e.o.Policy.Stricter(r, to); other != nil && !step.Unlinks() {
					strays = append(strays, fmt.Sprintf("%s, with %s: rule %q, %s", to, named(t), other.Name, other.Over()))
				}
			}
		}
		if slices.Sort(strays); len(strays) > 0 {
			e.add(Check{Name: "rules", Status: Warn, List: slices.Compact(strays),
				Seen: fmt.Sprintf("the rule %q, %s, does not judge what cascades take along from other tables, and a stricter rule does", r.Name, r.Over()),
				Mend: "if it is to judge the whole of a deletion, name these in its tables too, or leave tables out"})
		}
	}
}

// isFor reports whether a rule is for sessions of a database.
func isFor(r *policy.Rule, database string) bool {
	only := policy.Policy{Rules: []policy.Rule{{Match: policy.Match{Databases: r.Match.Databases}}}}
	return only.For(policy.Subject{Database: database}).Rule("", "") == &only.Rules[0]
}

func named(t *catalog.Table) policy.Name { return policy.Name{Schema: t.Schema, Table: t.Name} }
