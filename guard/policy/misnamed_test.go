package policy

import (
	"reflect"
	"testing"
)

func TestMisnamed(t *testing.T) {
	public := func(name string) Name { return Name{"public", name} }
	roots := map[Name]Name{
		public("orders"): public("orders"), public("ev"): public("ev"), public("ev_1"): public("ev"), public("ev_2"): public("ev"),
		public("log_1"): {"audit", "log"}, {"audit", "log"}: {"audit", "log"},
	}
	for _, c := range []struct {
		tables []string
		want   []Misnamed // without the rule
	}{
		{[]string{"orders", "ev", "audit.*"}, nil},
		{[]string{"ev*"}, nil},
		{[]string{"ev", "ev_1"}, nil},
		{[]string{"public.*"}, nil},
		{[]string{"ev_1"}, []Misnamed{{Glob: "ev_1", Roots: []Name{public("ev")}}}},
		{[]string{"orders", "public.ev_?"}, []Misnamed{{Glob: "public.ev_?", Roots: []Name{public("ev")}}}},
		{[]string{"log_*"}, []Misnamed{{Glob: "log_*", Roots: []Name{{"audit", "log"}}}}},
		{[]string{"Orders"}, []Misnamed{{Glob: "Orders", Like: public("orders")}}},
		{[]string{"nothing"}, []Misnamed{{Glob: "nothing"}}},
	} {
		p := Policy{Rules: []Rule{{Match: Match{Tables: c.tables}}, {Match: Match{Databases: []string{"other"}, Tables: []string{"nothing"}}}}}
		got := p.Misnamed("shop", roots)
		for i := range got {
			if got[i].Rule != &p.Rules[0] {
				t.Errorf("%v: rule %v", c.tables, got[i].Rule)
			}
			got[i].Rule = nil
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %+v, want %+v", c.tables, got, c.want)
		}
	}
}
