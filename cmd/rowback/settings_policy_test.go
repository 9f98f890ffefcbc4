package main

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/policy"
)

func TestSettings_Policy(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", `
threshold: 500
defaults:
  mode: alert
  fraction: 10%
rules:
  - {name: gdpr, users: [gdpr], mode: hold, threshold: 5000}
  - {name: never, tables: [sessions], mode: off}
`)
	s, _, err := loaded(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := s.rules.Default
	if d.Mode != policy.Alert || d.Statement != 500 || d.Transaction != 500 || d.Fraction != 0.1 || s.Mode != "alert" {
		t.Errorf("default: %s", d)
	}
	if r := s.rules.Rules; len(r) != 2 || r[0].Mode != policy.Hold || r[0].Transaction != 5000 || r[0].Fraction != 0.1 || r[1].Mode != policy.Off || r[1].Statement != 500 {
		t.Errorf("rules:\n%s", s.rules)
	}
	// The command line and the environment count for more than the file, wherever it says it.
	s, _, err = loaded(t, map[string]string{"ROWBACK_THRESHOLD": "7"}, "--mode", "block")
	if err != nil {
		t.Fatal(err)
	}
	if d := s.rules.Default; d.Mode != policy.Block || d.Statement != 7 || d.Transaction != 7 || d.Fraction != 0.1 {
		t.Errorf("default: %s", d)
	}
}

func TestSettings_BadPolicy(t *testing.T) {
	inDirectory(t)
	for text, want := range map[string]string{
		"mode: block\ndefaults:\n  mode: alert\n":             "rowback.yaml:3: mode in defaults says again what mode in line 1 says",
		"defaults: {limits: {statement: 5}}\nthreshold: 5\n":  "rowback.yaml:1: limits in defaults says again what threshold in line 2 says",
		"defaults:\n  uncaptured: block\nuncaptured: allow\n": "rowback.yaml:2: uncaptured in defaults says again",
		"defaults: [a]\n":                    "rowback.yaml:1: expected lines of the form",
		"defaults:\n  users: [a]\n":          `rowback.yaml:2: unknown key of the defaults "users"`,
		"rules:\n  - name: a\n    user: b\n": `rowback.yaml:3: unknown key of a rule "user", did you mean "users"?`,
		"rule:\n  - name: a\n":               `unknown setting "rule", did you mean "rules"?`,
		"journal-keep: 1d\nrules:\n- {name: a, windows: [{rows: 10, per: 7d}]}\n": "rowback.yaml:1: journal-keep: 1d is shorter than a window of rule \"a\"",
		"rules: x\n": "rowback.yaml:1: rules takes a list",
		"threshold: 9\nrules:\n- {name: a, limits: {statement: 10}}": "rowback.yaml:3: rule \"a\": limits: a statement may remove 10 rows, but its transaction only 9",
	} {
		write(t, "rowback.yaml", text)
		_, _, err := loaded(t, nil)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, _, err := loaded(t, map[string]string{"ROWBACK_RULES": "x"}); err == nil {
		t.Error("rules are no environment variable")
	}
}

// Off for everything means that there is nothing to guard; a rule that is not off does.
func TestSettings_Guards(t *testing.T) {
	inDirectory(t)
	for text, want := range map[string]bool{
		"":            true,
		"mode: off\n": false,
		"mode: off\nrules: [{name: a, users: [b]}]\n":              false,
		"mode: off\nrules: [{name: a, users: [b], mode: block}]\n": true,
	} {
		write(t, "rowback.yaml", text)
		if s, _, err := loaded(t, nil); err != nil || s.guards() != want {
			t.Errorf("%q: %v, %v", text, s.guards(), err)
		}
	}
}

// The journal can be read, and rows restored, whatever the rules say.
func TestSettings_BadPolicyStopsOnlyWhatUsesIt(t *testing.T) {
	env, _, id := restoreEnv(t)
	write(t, "rowback.yaml", "rules:\n- {name: a, tabels: [orders]}\n")
	const bad = `rowback.yaml:2: unknown key of a rule "tabels"`
	for _, args := range [][]string{{"log"}, {"log", id}, {"restore", id, "--dry-run"}, {"journal", "verify"}, {"allow", "list"}, {"graph"}} {
		r := runWith(t, env, args...)
		r.check(t, exitDone, bad)
		checkHas(t, r.stderr, "the rules are left aside, rowback "+args[0])
	}
	for _, args := range [][]string{{"proxy"}, {"doctor"}, {"allow", "explain", "DELETE FROM orders"}, {"journal", "compact"}, {"protect", "install", "--table", "orders"}} {
		r := runWith(t, env, args...)
		r.check(t, exitUsage, bad)
		if strings.Contains(r.stderr, "aside") {
			t.Errorf("%v: %s", args, r.stderr)
		}
	}
	// Of another mistake the way around is said, and it is one.
	write(t, "rowback.yaml", "rulez: []\n")
	runWith(t, env, "log").check(t, exitUsage, "to go on without this file give --config /dev/null and what it would say: --journal")
	runWith(t, env, "log", "--config", "/dev/null").check(t, exitDone, "")
}
