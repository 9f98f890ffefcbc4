package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteDOT prints the graph for Graphviz: parents above, arrows to the parent.
func (g *Graph) WriteDOT(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "digraph foreign_keys {")
	fmt.Fprintln(out, `  rankdir=TB; nodesep=0.4; ranksep=0.7; fontname="Helvetica";`)
	fmt.Fprintln(out, `  node [shape=box, style="rounded,filled", fillcolor="#f6f8fa", color="#57606a", fontname="Helvetica", fontsize=11];`)
	fmt.Fprintln(out, `  edge [dir=back, fontname="Helvetica", fontsize=9];`)
	if g.title() != "" {
		fmt.Fprintf(out, "  label=%s; labelloc=t;\n", dotText(g.title()))
	}
	id := map[*Table]string{}
	for i, t := range g.Tables {
		id[t] = fmt.Sprintf("t%d", i+1)
		style := ""
		switch {
		case t.Removed > 0:
			style = `, fillcolor="#ffebe9", color="#cf222e"`
		case t.Cut > 0:
			style = `, fillcolor="#fff8c5", color="#9a6700"`
		case t.Asked:
			style = `, fillcolor="#ddf4ff", color="#0969da"`
		}
		fmt.Fprintf(out, "  %s [label=%s%s];\n", id[t], dotText(append([]string{t.Display()}, g.about(t)...)...), style)
	}
	for _, k := range g.Keys {
		style := `color="#8c959f"`
		switch {
		case k.action() == "CASCADE":
			style = `color="#cf222e", penwidth=2`
		case k.cuts():
			style = `color="#9a6700", style=dashed`
		}
		fmt.Fprintf(out, "  %s -> %s [label=%s, tooltip=%s, %s];\n", id[k.Parent], id[k.Child], dotText(k.columns(), k.action()), dotText(k.Name), style)
	}
	fmt.Fprintln(out, "}")
	return out.Flush()
}

// dotText is lines as a DOT string.
func dotText(lines ...string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ", "\r", " ", "\x00", " ")
	for i := range lines {
		lines[i] = r.Replace(lines[i])
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}
