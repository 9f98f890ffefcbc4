package graph

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// Graphviz itself must understand it, and find every table and key.
func TestWriteDOT_GraphvizReadsIt(t *testing.T) {
	g := build(t, shopSQL, Options{Incident: entry(journal.Committed), Tables: []string{"orders"}, Depth: 9})
	var dot bytes.Buffer
	if err := g.WriteDOT(&dot); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "dot", "-Tplain")
	cmd.Stdin = bytes.NewReader(dot.Bytes())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("dot: %v %s\n%s", err, stderr.String(), dot.String())
	}
	text := "\n" + string(out)
	if nodes, edges := strings.Count(text, "\nnode "), strings.Count(text, "\nedge "); nodes != len(g.Tables) || edges != len(g.Keys) {
		t.Errorf("dot sees %d nodes and %d edges, there are %d tables and %d keys", nodes, edges, len(g.Tables), len(g.Keys))
	}
	for _, want := range []string{`Log <&> \"\"Entries`, `1,007 removed`, "order_id (not valid)"} {
		if !strings.Contains(dot.String(), want) {
			t.Errorf("no %q in\n%s", want, dot.String())
		}
	}
}

func TestWriteMermaid_EveryLineIsOne(t *testing.T) {
	g := build(t, shopSQL, Options{Incident: entry(journal.Committed), Tables: []string{"orders"}, Depth: 9})
	var out bytes.Buffer
	if err := g.WriteMermaid(&out); err != nil {
		t.Fatal(err)
	}
	label := `"(?:[^"#;\x00-\x1f|\[\]]|#[0-9]+;|<br/>)*"`
	node := regexp.MustCompile(`^  t[0-9]+\[` + label + `\](:::(removed|cut|asked))?$`)
	edge := regexp.MustCompile(`^  t[0-9]+ (-->|==>|-\.->)\|` + label + `\| t[0-9]+$`)
	other := regexp.MustCompile(`^(---|title: ".*"|flowchart BT|  classDef .*)$`)
	nodes, edges := 0, 0
	for line := range strings.Lines(out.String()) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case node.MatchString(line):
			nodes++
		case edge.MatchString(line):
			edges++
		case !other.MatchString(line):
			t.Errorf("no Mermaid: %q", line)
		}
	}
	if nodes != len(g.Tables) || edges != len(g.Keys) {
		t.Errorf("%d nodes and %d edges, there are %d tables and %d keys", nodes, edges, len(g.Tables), len(g.Keys))
	}
	if !strings.Contains(out.String(), "==>|\"payment_id<br/>CASCADE\"|") {
		t.Errorf("cascades are not told apart:\n%s", out.String())
	}
}
