package policy

import (
	"net/netip"
	"testing"
)

func TestShadows(t *testing.T) {
	ten, tenOne := netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")
	for _, c := range []struct {
		first, second Match
		shadowed      bool
	}{
		{Match{}, Match{Users: []string{"a"}}, true},
		{Match{Users: []string{"a"}}, Match{}, false},
		{Match{Users: []string{"a", "b"}}, Match{Users: []string{"b"}}, true},
		{Match{Users: []string{"a"}}, Match{Users: []string{"a", "b"}}, false},
		{Match{Users: []string{"app_*"}}, Match{Users: []string{"app_1"}, Tables: []string{"orders"}}, true},
		{Match{Users: []string{"app_*"}}, Match{Users: []string{"app_?"}}, false}, // it is, but is not found
		{Match{Users: []string{"*"}}, Match{Users: []string{"a*"}}, true},
		{Match{Users: []string{"a"}, Tables: []string{"orders"}}, Match{Users: []string{"a"}}, false},
		{Match{Tables: []string{"orders"}}, Match{Tables: []string{"public.orders"}}, true},
		{Match{Tables: []string{"public.orders"}}, Match{Tables: []string{"orders"}}, false},
		{Match{Tables: []string{"audit.*"}}, Match{Tables: []string{"audit.logs"}}, true},
		{Match{Tables: []string{"o*"}}, Match{Tables: []string{"public.orders"}}, true},
		{Match{Networks: []netip.Prefix{ten}}, Match{Networks: []netip.Prefix{tenOne}}, true},
		{Match{Networks: []netip.Prefix{tenOne}}, Match{Networks: []netip.Prefix{ten}}, false},
		{Match{Networks: []netip.Prefix{ten}}, Match{Networks: []netip.Prefix{tenOne}, Local: true}, false},
		{Match{Local: true}, Match{Local: true}, true},
		{Match{Local: true}, Match{}, false},
		{Match{}, Match{Local: true}, true},
	} {
		p := Policy{Rules: []Rule{{Name: "first", Match: c.first}, {Name: "second", Match: c.second}}}
		got := p.Shadows()
		if (len(got) == 1) != c.shadowed {
			t.Errorf("%s, then %s: %v", c.first, c.second, got)
		}
		if len(got) == 1 && (got[0].Rule.Name != "second" || got[0].By.Name != "first") {
			t.Errorf("%+v", got[0])
		}
	}
}
