package policy

import "testing"

func TestPolicy_KeepsRows(t *testing.T) {
	rows := func(m Match) Rule { return Rule{Match: m, Mode: Block, Capture: CaptureRows} }
	keys := func(m Match) Rule { return Rule{Match: m, Mode: Block, Capture: CaptureKeys} }
	orders := Match{Tables: []string{"orders"}}
	for name, c := range map[string]struct {
		p         Policy
		all, some bool
	}{
		"none":                         {Policy{Default: keys(Match{})}, false, false},
		"the default's":                {Policy{Default: rows(Match{})}, true, true},
		"the table's":                  {Policy{Rules: []Rule{rows(orders)}, Default: keys(Match{})}, true, true},
		"another table's":              {Policy{Rules: []Rule{rows(Match{Tables: []string{"payments"}})}, Default: keys(Match{})}, false, false},
		"another database's":           {Policy{Rules: []Rule{rows(Match{Databases: []string{"other"}})}, Default: keys(Match{})}, false, false},
		"one user's":                   {Policy{Rules: []Rule{rows(Match{Users: []string{"batch"}})}, Default: keys(Match{})}, false, true},
		"all but one user's":           {Policy{Rules: []Rule{keys(Match{Users: []string{"batch"}})}, Default: rows(Match{})}, false, true},
		"behind one that takes all":    {Policy{Rules: []Rule{keys(orders), rows(orders)}, Default: rows(Match{})}, false, false},
		"by a rule that is not judged": {Policy{Rules: []Rule{{Match: orders, Mode: Off, Capture: CaptureRows}}, Default: rows(Match{})}, false, false},
	} {
		if all, some := c.p.KeepsRows("shop", "public", "orders"); all != c.all || some != c.some {
			t.Errorf("%s: %v, %v", name, all, some)
		}
	}
}
