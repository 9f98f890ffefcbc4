package policy

import (
	"net/netip"
	"testing"
)

func TestSheet_FirstMatchDecides(t *testing.T) {
	p := Policy{
		Rules: []Rule{
			{Name: "gdpr", Match: Match{Users: []string{"gdpr_*"}, Tables: []string{"orders", "audit.*"}}},
			{Name: "inside", Match: Match{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}},
			{Name: "never", Match: Match{Tables: []string{"orders"}, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}},
			{Name: "socket", Match: Match{Local: true}},
		},
		Default: Rule{Name: DefaultName},
	}
	for _, c := range []struct {
		user, addr, schema, table, want string
	}{
		{"gdpr_7", "10.1.2.3", "public", "orders", "gdpr"},
		{"gdpr_7", "10.1.2.3", "audit", "logs", "gdpr"},
		{"gdpr_7", "10.1.2.3", "public", "logs", "inside"},
		{"app", "10.1.2.3", "public", "orders", "inside"},
		{"app", "::ffff:10.1.2.3", "public", "orders", "inside"},
		{"app", "192.0.2.1", "public", "orders", "default"},
		{"app", "", "public", "orders", "socket"},
		{"gdpr_7", "192.0.2.1", "", "", "default"},
	} {
		s := Subject{User: c.user}
		if c.addr != "" {
			s.Address = netip.MustParseAddr(c.addr)
		}
		if got := p.For(s).Rule(c.schema, c.table).Name; got != c.want {
			t.Errorf("%+v: rule %s", c, got)
		}
	}
}

func TestSheet_AnyStopsAtTheRuleThatTakesAll(t *testing.T) {
	p := Policy{Rules: []Rule{{Match: Match{Tables: []string{"a"}}}, {Name: "all"}, {Updates: true}}, Default: Rule{Updates: true}}
	updates := func(r *Rule) bool { return r.Updates }
	if p.For(Subject{}).Any(updates) {
		t.Error("a rule that is never reached was asked")
	}
	p.Rules = p.Rules[:1]
	if !p.For(Subject{}).Any(updates) {
		t.Error("the default was not asked")
	}
}
