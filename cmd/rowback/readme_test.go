package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The commands and flags that the README names amid its text are there; what stands in
// blocks is run by internal/e2e.
func TestReadme_CommandsAndFlagsInTheTextExist(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(string(b), "")
	started := false
	root := newRootCommand(environment{}, &started)
	flags := regexp.MustCompile(`--[a-z][a-z-]*`)
	has := func(c *cobra.Command, flag string) bool {
		return c.Flags().Lookup(flag) != nil || c.InheritedFlags().Lookup(flag) != nil
	}
	everywhere := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { everywhere[f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { everywhere[f.Name] = true })
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	commands, alone := 0, 0
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		of := root
		switch words[0] {
		case "rowback", "bin/rowback":
			if len(words) == 1 {
				continue
			}
			commands++
			if words[1] == "help" {
				words = words[1:]
			}
			var rest []string
			of, rest, err = root.Find(words[1:])
			if err != nil || of == root && words[1] != "configuration" || of != root && !of.Runnable() && len(rest) > 0 && rest[0][0] != '-' {
				t.Errorf("%s: no such command (%v)", m[1], err)
				continue
			}
		default:
			if !strings.HasPrefix(words[0], "--") {
				continue // another program's
			}
			alone++
		}
		for _, flag := range flags.FindAllString(m[1], -1) {
			if name := flag[2:]; of != root && !has(of, name) || of == root && !everywhere[name] {
				t.Errorf("%s: no flag %s", m[1], flag)
			}
		}
	}
	if commands < 20 || alone < 10 {
		t.Errorf("only %d commands and %d flags were found", commands, alone)
	}
}
