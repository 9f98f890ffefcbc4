package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestGraph_CommandLine(t *testing.T) {
	env, _, id := restoreEnv(t)
	pgtest.Exec(t, env["ROWBACK_PRODUCTION"], "CREATE TABLE items (o bigint REFERENCES orders ON DELETE CASCADE); CREATE TABLE alone ()")
	for _, c := range []struct {
		args      []string
		has, lack string
	}{
		{nil, "alone", ""},
		{[]string{"orders"}, "CASCADE      items (o)", "alone"},
		{[]string{"items", "--depth", "0"}, "1 table,", "orders"},
		{[]string{"--incident", id[:len(id)-1]}, "3 removed (direct)", "alone"},
		{[]string{"--format", "dot"}, "digraph", ""},
		{[]string{"--format", "mermaid"}, "flowchart", ""},
		{[]string{"--format", "svg"}, "</svg>", ""},
		{[]string{"--output", "json"}, `"on_delete":"cascade"`, ""},
		{[]string{"--on", "recovery"}, "orders", "items"},
	} {
		r := runWith(t, env, append([]string{"graph"}, c.args...)...)
		r.check(t, exitDone, "")
		if !strings.Contains(r.stdout, c.has) || c.lack != "" && strings.Contains(r.stdout, c.lack) {
			t.Errorf("%v: want %q, not %q, in\n%s", c.args, c.has, c.lack, r.stdout)
		}
	}
	runWith(t, env, "graph", "--format", "svg", "--out", "g.svg").check(t, exitDone, "")
	if text, err := os.ReadFile("g.svg"); err != nil || !strings.HasSuffix(string(text), "</svg>\n") {
		t.Errorf("%v: %s", err, text)
	}
	runWith(t, env, "graph", "--format", "png").check(t, exitUsage, "--format")
	runWith(t, env, "graph", "nowhere").check(t, exitUsage, "nowhere does not exist")
	runWith(t, env, "graph", "--incident", "ZZ").check(t, exitUsage, "no such journal entry")
}
