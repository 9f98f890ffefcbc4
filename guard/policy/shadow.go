package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// Shadow is a rule that can never match, and the earlier one that takes all of its cases.
type Shadow struct{ Rule, By *Rule }

// Shadows are the rules that never match because an earlier one alone takes
// all that they would. Rules that several earlier ones take together are not found.
func (p *Policy) Shadows() (found []Shadow) {
	for i := range p.Rules {
		for j := range i {
			if p.Rules[j].Match.covers(&p.Rules[i].Match) {
				found = append(found, Shadow{&p.Rules[i], &p.Rules[j]})
				break
			}
		}
	}
	return found
}

// covers: m matches whatever o matches. It may say no where it does.
func (m *Match) covers(o *Match) bool {
	return m.coversSessions(o) && coversNames(m.Tables, o.Tables, coversTable)
}

// coversSessions is covers, whatever the tables.
func (m *Match) coversSessions(o *Match) bool {
	return coversNames(m.Databases, o.Databases, coversGlob) && coversNames(m.Users, o.Users, coversGlob) &&
		coversNames(m.Applications, o.Applications, coversGlob) && m.coversNetworks(o)
}

func coversNames(all, some []string, covers func(glob, by string) bool) bool {
	if len(all) == 0 {
		return true
	}
	if len(some) == 0 {
		return false
	}
	return !slices.ContainsFunc(some, func(g string) bool {
		return !slices.ContainsFunc(all, func(by string) bool { return covers(g, by) })
	})
}

// coversGlob: whatever glob matches, by matches.
func coversGlob(g, by string) bool {
	return g == by || by == "*" || !strings.ContainsAny(g, `*?[\`) && glob(by, g)
}

// coversTable is coversGlob for tables, where a name stands for any schema.
func coversTable(g, by string) bool {
	if strings.Contains(by, ".") || !strings.Contains(g, ".") {
		return coversGlob(g, by)
	}
	_, table, _ := strings.Cut(g, ".")
	return coversGlob(table, by) && !strings.Contains(table, ".")
}

func (m *Match) coversNetworks(o *Match) bool {
	if len(m.Networks) == 0 && !m.Local {
		return true
	}
	if len(o.Networks) == 0 && !o.Local || o.Local && !m.Local {
		return false
	}
	return !slices.ContainsFunc(o.Networks, func(n netip.Prefix) bool {
		return !slices.ContainsFunc(m.Networks, func(by netip.Prefix) bool { return by.Bits() <= n.Bits() && by.Contains(n.Addr()) })
	})
}
