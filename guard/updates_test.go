package guard

import (
	"testing"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
)

// An UPDATE is looked at where a rule may count it, and costs nothing where none does.
func TestWants_Updates(t *testing.T) {
	soft, every := policy.Uniform(policy.Block, 1), policy.Uniform(policy.Block, 1)
	soft.Default.SoftDelete, every.Default.Updates = []string{"deleted_at"}, true
	for _, c := range []struct {
		sql         string
		soft, every bool
	}{
		{"UPDATE t SET a = 1", false, true},
		{"UPDATE t SET deleted_at = now()", true, true},
		{"update t set (a, DELETED_AT) = (1, now())", true, true},
		{`UPDATE t SET U&"d\0065leted_at" = now()`, true, true},
		{"UPDATE t SET a = 1 WHERE deleted_at IS NULL", false, true},
		{"SELECT deleted_at FROM t", false, false},
	} {
		for p, want := range map[*policy.Policy]bool{&soft: c.soft, &every: c.every} {
			db := newDatabase("x")
			db.view.Store(newView(&catalog.Snapshot{}))
			s := session{j: &Judge{}, db: db, view: db.view.Load()}
			s.j.rules.Store(p)
			s.rules.set(p, s.j.marked(p), policy.Subject{})
			s.view.analyse(c.sql, true, "UTF8") // as when it came first
			if got := s.interesting([]byte(c.sql)); got != want {
				t.Errorf("%s: %t, want %t (updates %t)", c.sql, got, want, p == &every)
			}
		}
	}
}
