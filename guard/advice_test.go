package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
)

// What the error says to do next helps: an allowance is named only where one
// does, with as many rows as it takes.
func TestAdvice_Helps(t *testing.T) {
	rule := func(name, table string, set func(*policy.Rule)) policy.Rule {
		r := free(name)
		r.Match.Tables = []string{table}
		set(&r)
		return r
	}
	o := ruled(
		rule("no truncate", "plain", func(r *policy.Rule) {
			r.Refuse, r.WhereRequired, r.Transaction, r.Statement = []policy.Verb{policy.Truncate}, true, 10, 10
		}),
		rule("tenth", "tree", func(r *policy.Rule) { r.Fraction, r.FractionMin = 0.1, 1 }),
	)
	eachForm(t, o, []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		hint := func(sql, want string, allowance bool) {
			t.Helper()
			pe := refused(t, c, sql)
			if !strings.Contains(pe.Hint, want) || strings.Contains(pe.Hint, "rowback allow") != allowance {
				t.Errorf("%s: %s", sql, pe.Hint)
			}
		}
		hint("TRUNCATE plain", "No allowance lifts this", false)
		hint("DELETE FROM plain", "Add a WHERE that names a column", false)
		hint("DELETE FROM plain WHERE id <= 11", "at most 10 rows, or ask an operator for an allowance: rowback allow --rows 11 ", true)
		hint("DELETE FROM tree WHERE id > 20", "at most 10% of the table in one statement", true)
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM plain WHERE id <= 8")
		hint("DELETE FROM plain WHERE id <= 13", "--rows 13 ", true) // 5 rows, and the 8 before them
		passes(t, c, "ROLLBACK")
	})
}

// A setting is named with the place where it stands.
func TestAdvice_NamesTheSettingAndItsPlace(t *testing.T) {
	strict := free("strict")
	strict.Mode, strict.Uncountable = policy.Block, policy.Refuse
	for want, o := range map[string]policy.Policy{
		"uncountable: allow in rowback's configuration file, which the proxy takes over on SIGHUP, or --uncountable allow when it starts": ruled(),
		`uncountable: allow in the rule "strict" of rowback's configuration file, which the proxy takes over on SIGHUP. `:                 ruled(strict),
	} {
		eachForm(t, o, []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
			if pe := refused(t, c, "DROP DATABASE nowhere"); !strings.Contains(pe.Hint, want) {
				t.Errorf("%s, want %s", pe.Hint, want)
			}
		})
	}
}
