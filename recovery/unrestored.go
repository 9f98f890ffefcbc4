package recovery

import (
	"fmt"
	"io"

	"github.com/rowback/rowback/journal"
)

// examples is how many rows of one table and reason are named to people.
const examples = 5

// writeUnrestored prints what stays out, by table and reason: every row is
// counted, a few are named. The JSON form names all.
func writeUnrestored(w io.Writer, rows []Unrestored) { writeLeft(w, "Not restored", rows) }

func writeLeft(w io.Writer, title string, rows []Unrestored) {
	if len(rows) == 0 {
		return
	}
	type group struct{ table, reason string }
	var order []group
	groups := map[group][]Unrestored{}
	for _, u := range rows {
		g := group{reason: u.group}
		if u.Table != "" {
			g.table = journal.QuoteName(u.Schema, u.Table)
		}
		if g.reason == "" {
			g.reason = u.Reason
		}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], u)
	}
	cut := false
	fmt.Fprintf(w, "\n%s (%s):\n", title, howMany(rows))
	for _, g := range order {
		members := groups[g]
		if g.table == "" {
			fmt.Fprintf(w, "  - %s\n", g.reason)
			continue
		}
		if members[0].Key == nil {
			fmt.Fprintf(w, "  - %s: %s\n", g.table, g.reason)
			continue
		}
		fmt.Fprintf(w, "  - %s, %s: %s\n", g.table, plural(int64(len(members)), "row"), g.reason)
		for i, u := range members {
			if i == examples {
				fmt.Fprintf(w, "      … and %s more\n", grouped(int64(len(members)-examples)))
				cut = true
				break
			}
			fmt.Fprintf(w, "      %s", u.Key)
			if u.group != "" {
				fmt.Fprintf(w, ": %s", u.Reason)
			}
			fmt.Fprintln(w)
		}
	}
	if cut {
		fmt.Fprintln(w, "  --output json names every one.")
	}
}

// howMany are the rows that are known by key: what is not may be any number of rows.
func howMany(rows []Unrestored) string {
	keyed := int64(0)
	for _, u := range rows {
		if u.Key != nil {
			keyed++
		}
	}
	if keyed > 0 && keyed < int64(len(rows)) {
		return grouped(keyed) + " by key, and more"
	}
	return grouped(int64(len(rows)))
}
