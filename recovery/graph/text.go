package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/rowback/rowback/recovery"
)

// WriteText lists each table with the tables that refer to it, and so what a
// deletion from it does.
func (g *Graph) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	if g.title() != "" {
		fmt.Fprintf(out, "%s\n\n", g.title())
	}
	children := map[*Table][]*Key{}
	for _, k := range g.Keys {
		children[k.Parent] = append(children[k.Parent], k)
	}
	for _, t := range g.Tables {
		fmt.Fprintf(out, "%s", t.Display())
		if about := g.about(t); len(about) > 0 {
			fmt.Fprintf(out, "  %s", strings.Join(about, ", "))
		}
		fmt.Fprintln(out)
		for i, k := range children[t] {
			branch := "├─"
			if i == len(children[t])-1 {
				branch = "└─"
			}
			fmt.Fprintf(out, "  %s %-12s %s (%s)", branch, k.action(), k.Child.Display(), strings.Join(k.Columns, ", "))
			if k.Child == t {
				fmt.Fprint(out, ", the table itself")
			}
			if !k.Validated {
				fmt.Fprint(out, ", not valid")
			}
			fmt.Fprintln(out)
		}
	}
	if len(g.Tables) == 0 {
		fmt.Fprintln(out, "no tables")
	}
	fmt.Fprintf(out, "\n%s, %s. A branch is a foreign key: what ON DELETE does to the rows that refer.\n",
		recovery.Plural(int64(len(g.Tables)), "table"), recovery.Plural(int64(len(g.Keys)), "foreign key"))
	for _, n := range g.Notes {
		fmt.Fprintf(out, "Note: %s\n", n)
	}
	return out.Flush()
}
