package policy

import "testing"

func TestPolicy_Stricter(t *testing.T) {
	rule := func(m Mode, limit int64, who Match) Rule {
		return Rule{Name: string(m), Mode: m, Statement: limit, Transaction: limit, Match: who}
	}
	orders := Match{Users: []string{"gdpr"}, Tables: []string{"orders"}}
	payments := func(users ...string) Match { return Match{Users: users, Tables: []string{"payments"}} }
	for name, c := range map[string]struct {
		rules []Rule
		limit int64 // of the default, which blocks
		want  string
	}{
		"the default":                    {[]Rule{rule(Hold, 9, orders)}, 9, "default"},
		"the default, by its limit":      {[]Rule{rule(Block, 9, orders)}, 8, "default"},
		"no limit":                       {[]Rule{rule(Block, Unlimited, orders)}, 8, "default"},
		"the default is as strict":       {[]Rule{rule(Block, 9, orders)}, 9, ""},
		"the default is wider":           {[]Rule{rule(Block, 9, orders)}, Unlimited, ""},
		"a rule for the same user":       {[]Rule{rule(Hold, 9, orders), rule(Alert, 1, payments("gdpr"))}, 9, ""},
		"a rule for everybody":           {[]Rule{rule(Alert, 9, orders), rule(Hold, 1, payments())}, 9, "hold"},
		"a rule for another user":        {[]Rule{rule(Hold, 9, orders), rule(Off, 1, payments("app"))}, 9, "default"},
		"it is off, and the default not": {[]Rule{rule(Off, 9, orders)}, 9, "default"},
		"it is for both":                 {[]Rule{rule(Hold, 9, Match{Users: []string{"gdpr"}})}, 1, ""},
	} {
		p := Policy{Rules: c.rules, Default: rule(Block, c.limit, Match{})}
		p.Default.Name = DefaultName
		got := ""
		if r := p.Stricter(&p.Rules[0], Name{"public", "payments"}); r != nil {
			got = r.Name
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
