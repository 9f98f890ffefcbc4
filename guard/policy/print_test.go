package policy

import (
	"strings"
	"testing"
)

func TestPolicy_ReadsAsPeopleWriteIt(t *testing.T) {
	rules, err := Parse(node(t, everyKey+`
- {name: one, users: [app], threshold: 1, uncaptured: block}
- {name: never, databases: [a, b, "c d"], mode: off}
- {name: free, threshold: unlimited, mode: alert, fraction: 12.5%}
`), Base())
	if err != nil {
		t.Fatal(err)
	}
	want := `gdpr batches (database shop; user gdpr; applications "" and nightly-*; tables orders and audit.*; networks 10.0.0.0/8, 192.0.2.7/32, 2001:db8::/32 and local): ` +
		`hold for 30m over 5000 rows a statement, 100 rows in 1m by table and user, 1000 rows in 2d, 10% of a table (from 50 rows on); refuses truncate, drop, drop-column; ` +
		`a condition is required; updates count; setting deleted_at or is_deleted counts as deleting; temporary tables count; uncaptured block; uncountable allow; whole rows are kept, without ssn and people.*_hash; a comment may allow up to 100000 rows
one (user app): block over 1 row a statement or transaction; uncaptured block; uncountable block
never (databases a, b and "c d"): off, nothing is judged
free (everything): alert over 12.5% of a table (from 100 rows on); uncaptured allow; uncountable block
default: block over 1000 rows a statement or transaction; uncaptured allow; uncountable block`
	if got := (Policy{Rules: rules, Default: Base()}).String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	r := Base()
	r.Statement, r.Transaction = Unlimited, Unlimited
	if got := r.Does(); !strings.HasPrefix(got, "block, but no limit on rows") {
		t.Error(got)
	}
}
