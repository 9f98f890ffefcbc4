package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/yamlstrict"
)

var switchedOff = regexp.MustCompile(`(?m)^#([^ \n])|^#(  [^\n])`)

// The example works as it stands, and with everything in it switched on; and
// there is nothing that it leaves out.
func TestExample_IsComplete(t *testing.T) {
	text, err := os.ReadFile("../../examples/rowback.yaml")
	if err != nil {
		t.Fatal(err)
	}
	inDirectory(t)
	env := map[string]string{"SLACK_WEBHOOK": "https://hooks.example/x", "PAGERDUTY_KEY": "k", "TICKETS": "t"}
	check := func(text string) *settings {
		write(t, "rowback.yaml", text)
		s, _, err := loaded(t, env)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.alerts(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.restore(); err != nil {
			t.Fatal(err)
		}
		if sh := s.rules.Shadows(); len(sh) > 0 {
			t.Errorf("the rule %s is never reached", sh[0].Rule.Name)
		}
		return s
	}
	s := check(string(text))
	for i, d := range newSettings(nil).all() {
		v := s.all()[i]
		if strings.Contains(string(text), "\n"+v.name+":") && v.text != nil && *v.text != *d.text {
			t.Errorf("%s: %s is not the default, %s", v.name, *v.text, *d.text)
		}
	}
	all := strings.Replace(string(text), "upstream: 127.0.0.1:5432\n", "", 1)
	all = switchedOff.ReplaceAllString(all, "$1$2")
	check(all)

	top, err := yamlstrict.Parse([]byte(all))
	if err != nil {
		t.Fatal(err)
	}
	there, inRules := keysOf(top), []string{}
	for _, v := range newSettings(nil).all() {
		if !slices.Contains(there, v.name) {
			t.Errorf("%s is not in the example", v.name)
		}
	}
	for _, name := range structured {
		if !slices.Contains(there, name) {
			t.Errorf("%s is not in the example", name)
		}
	}
	for i, key := range top.Content {
		if key.Value == "rules" {
			for _, r := range top.Content[i+1].Content {
				inRules = append(inRules, keysOf(r)...)
			}
		}
	}
	for _, name := range policy.Keys() {
		if !slices.Contains(inRules, name) {
			t.Errorf("no rule of the example has %s", name)
		}
	}
}

func keysOf(n *yaml.Node) (names []string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		names = append(names, n.Content[i].Value)
	}
	return names
}
