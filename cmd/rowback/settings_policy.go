package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/yamlstrict"
)

// policyError: the policy cannot be read, and all else is.
type policyError struct{ error }

func (e *policyError) Unwrap() error { return e.error }

// readPolicy makes the policy out of the settings of one value and the file's
// rules and defaults. A flag or the environment counts for more than defaults do.
func (s *settings) readPolicy(file map[string]line) error {
	p := policy.Policy{Default: s.plainRule(policy.Base(), nil)}
	if at, ok := file["defaults"]; ok {
		if err := s.refuseTwice(file, at.node); err != nil {
			return err
		}
		r, err := policy.ParseDefaults(at.node, p.Default)
		if err != nil {
			return errors.New(yamlstrict.In(s.ConfigFile, err))
		}
		p.Default = s.plainRule(r, func(name string) bool {
			return s.origin[name] != "" && !s.fromFile(name)
		})
	}
	if at, ok := file["rules"]; ok {
		rules, err := policy.Parse(at.node, p.Default)
		if err != nil {
			return errors.New(yamlstrict.In(s.ConfigFile, err))
		}
		p.Rules = rules
	}
	if err := p.Validate(); err != nil { // a flag may not go with what the file says
		return err
	}
	if err := s.checkKept(p); err != nil {
		return fmt.Errorf("%s: %w", cmp.Or(s.origin["journal-keep"], "journal-keep"), err)
	}
	s.rules, s.Mode, s.Threshold = p, string(p.Default.Mode), p.Default.Statement
	s.Uncaptured, s.Uncountable = string(p.Default.Uncaptured), string(p.Default.Uncountable)
	return nil
}

// plainRule is r with the settings of one value; given nil: all of them.
func (s *settings) plainRule(r policy.Rule, given func(name string) bool) policy.Rule {
	if given == nil {
		given = func(string) bool { return true }
	}
	if given("mode") {
		r.Mode = policy.Mode(s.Mode)
	}
	if given("threshold") {
		r.Statement, r.Transaction = s.Threshold, s.Threshold
	}
	if given("uncaptured") {
		r.Uncaptured = policy.Action(s.Uncaptured)
	}
	if given("uncountable") {
		r.Uncountable = policy.Action(s.Uncountable)
	}
	return r
}

// fromFile: the setting's value stands in the file.
func (s *settings) fromFile(name string) bool {
	return s.ConfigFile != "" && strings.HasPrefix(s.origin[name], s.ConfigFile+":")
}

// refuseTwice refuses what is set at the top of the file and in defaults.
func (s *settings) refuseTwice(file map[string]line, defaults *yaml.Node) error {
	for defaults.Kind == yaml.AliasNode {
		defaults = defaults.Alias
	}
	for i := 0; i+1 < len(defaults.Content); i += 2 {
		key := defaults.Content[i]
		name := key.Value
		if name == "limits" {
			name = "threshold"
		}
		if at, ok := file[name]; ok {
			return fmt.Errorf("%s:%d: %s in defaults says again what %s in line %d says; keep one of them", s.ConfigFile, key.Line, key.Value, name, at.number)
		}
	}
	return nil
}

// guards: something of the policy is judged at all.
func (s *settings) guards() bool {
	for _, r := range s.rules.Rules {
		if r.Mode != policy.Off {
			return true
		}
	}
	return s.rules.Default.Mode != policy.Off
}
