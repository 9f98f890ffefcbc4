package policy

import (
	"net/netip"
	"path"
	"strings"
)

// Match says whom a rule is for. An empty list matches everything; in a list,
// one match is enough. Names are globs (path.Match: * ? [a-z]).
type Match struct {
	Databases    []string
	Tables       []string // "schema.table", or "table" in any schema
	Users        []string // the role that logged in
	Applications []string // application_name: the client's own word, so no protection against malice
	Networks     []netip.Prefix
	Local        bool // in Networks: clients on a unix socket, too
}

// Subject is a session as rules see it.
type Subject struct {
	Database, User, Application string
	Address                     netip.Addr // of the client; the zero Addr on a unix socket
}

// Sheet is what of a policy concerns one session: the rules that match it, in order.
type Sheet struct {
	rules    []*Rule
	fallback *Rule
}

// For is the part of the policy that concerns a session.
func (p *Policy) For(s Subject) *Sheet {
	sh := &Sheet{fallback: &p.Default}
	for i := range p.Rules {
		if p.Rules[i].Match.session(s) {
			sh.rules = append(sh.rules, &p.Rules[i])
		}
	}
	return sh
}

// Rule is the rule for a table. An empty name is a table that is not known: no
// rule that names tables matches it.
func (s *Sheet) Rule(schema, table string) *Rule {
	for _, r := range s.rules {
		if r.Match.table(schema, table) {
			return r
		}
	}
	return s.fallback
}

// Any reports whether f holds for a rule that a table of this session may fall under.
func (s *Sheet) Any(f func(*Rule) bool) bool {
	for _, r := range s.rules {
		if f(r) {
			return true
		}
		if len(r.Match.Tables) == 0 {
			return false // what comes after it is never reached
		}
	}
	return f(s.fallback)
}

func (m *Match) session(s Subject) bool {
	return matches(m.Databases, s.Database) && matches(m.Users, s.User) && matches(m.Applications, s.Application) && m.network(s.Address)
}

func (m *Match) network(a netip.Addr) bool {
	if len(m.Networks) == 0 && !m.Local {
		return true
	}
	if !a.IsValid() {
		return m.Local
	}
	for _, n := range m.Networks {
		if n.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

func (m *Match) table(schema, table string) bool {
	if len(m.Tables) == 0 {
		return true
	}
	return table != "" && MatchesTable(m.Tables, schema, table)
}

// MatchesTable reports whether one of the globs, "schema.table" or "table",
// names a table.
func MatchesTable(globs []string, schema, table string) bool {
	for _, g := range globs {
		if glob(g, table) || glob(g, schema+"."+table) && strings.Contains(g, ".") {
			return true
		}
	}
	return false
}

func matches(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		if glob(g, name) {
			return true
		}
	}
	return false
}

// glob is path.Match without its regard for slashes.
func glob(pattern, name string) bool {
	const slash = "\x00"
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", slash), strings.ReplaceAll(name, "/", slash))
	return err == nil && ok
}
