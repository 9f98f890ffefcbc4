package guard

import (
	"fmt"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// maxNamed bounds the tables named in a message.
const maxNamed = 12

// rowsOf is "50382 rows (orders 1237, payments 8642)". What nobody has counted is said to be by estimate.
func rowsOf(tables []journal.Table) string {
	var names []string
	var n int64
	var perTable = map[string]int64{}
	guessed := map[string]string{}
	for _, t := range tables {
		if t.Rows == 0 || !t.Removed() && t.Via != journal.Update {
			continue
		}
		name := displayName(t)
		if _, seen := perTable[name]; !seen {
			names = append(names, name)
		}
		if perTable[name] += t.Rows; isEstimate(t) {
			guessed[name] = " by estimate"
		}
		n += t.Rows
	}
	rows := "rows"
	if n == 1 {
		rows = "row"
	}
	if len(names) == 0 {
		return fmt.Sprintf("%d %s", n, rows)
	}
	parts := make([]string, 0, len(names))
	for i, name := range names {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more tables", len(names)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d%s", name, perTable[name], guessed[name]))
	}
	return fmt.Sprintf("%d %s (%s)", n, rows, strings.Join(parts, ", "))
}

// partOf is all of the rows, and if a rule is about a part of them, that and the rule's
// name; else that name comes last, and only of a rule that is not the default.
func partOf(rule *policy.Rule, part, all []journal.Table) (rows, last string) {
	rows, own := rowsOf(all), rowsOf(part)
	switch {
	case own == rows:
		return rows, by(rule)
	case rule.Name == policy.DefaultName || rule.Name == "":
		return rows + ", of which " + own + " fall under the default rule", ""
	}
	return fmt.Sprintf("%s, of which %s fall under the rule %q", rows, own, rule.Name), ""
}

func displayName(t journal.Table) string {
	if t.Schema == "public" || t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}
