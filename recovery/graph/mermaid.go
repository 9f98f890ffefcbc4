package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteMermaid prints the graph as a Mermaid flowchart: parents above, arrows
// to the parent.
func (g *Graph) WriteMermaid(w io.Writer) error {
	out := bufio.NewWriter(w)
	if g.title() != "" {
		fmt.Fprintf(out, "---\ntitle: %q\n---\n", g.title())
	}
	fmt.Fprintln(out, "flowchart BT")
	id := map[*Table]string{}
	for i, t := range g.Tables {
		id[t] = fmt.Sprintf("t%d", i+1)
		fmt.Fprintf(out, "  %s[%s]%s\n", id[t], mermaidText(append([]string{t.Display()}, g.about(t)...)...), mermaidClass(t))
	}
	for _, k := range g.Keys {
		arrow := "-->"
		switch {
		case k.action() == "CASCADE":
			arrow = "==>"
		case k.cuts():
			arrow = "-.->"
		}
		fmt.Fprintf(out, "  %s %s|%s| %s\n", id[k.Child], arrow, mermaidText(k.columns(), k.action()), id[k.Parent])
	}
	fmt.Fprintln(out, "  classDef removed fill:#ffebe9,stroke:#cf222e")
	fmt.Fprintln(out, "  classDef cut fill:#fff8c5,stroke:#9a6700")
	fmt.Fprintln(out, "  classDef asked fill:#ddf4ff,stroke:#0969da")
	return out.Flush()
}

func mermaidClass(t *Table) string {
	switch {
	case t.Removed > 0:
		return ":::removed"
	case t.Cut > 0:
		return ":::cut"
	case t.Asked:
		return ":::asked"
	}
	return ""
}

// mermaidText is lines as a quoted label. What is neither letter nor digit, but
// for a few, goes as an entity (#34;): Mermaid gives many characters a meaning.
func mermaidText(lines ...string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, line := range lines {
		if i > 0 {
			b.WriteString("<br/>")
		}
		for _, r := range line {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r > 0x7f, strings.ContainsRune(" _.,:()~", r):
				b.WriteRune(r)
			case r < ' ':
				b.WriteByte(' ')
			default:
				fmt.Fprintf(&b, "#%d;", r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
