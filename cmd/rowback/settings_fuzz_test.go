package main

import (
	"reflect"
	"testing"
)

// Whatever the configuration file holds, it is refused, or read: then each
// setting has the value of its line, and reading it again gives the same.
func FuzzSettingsFile(f *testing.F) {
	for _, seed := range []string{
		"", "# a comment\nthreshold: 1\nmode: off\nupstream: file:1\nrecovery:\n", "threshold: x", "treshold: 5", "mode: [a]",
		"mode: block\nmode: alert", "- a", "a: &x b\nc: *x", "? [a]\n: b", "webhook: \"http://x\\u0000\"", "threshold: !!null ~", "mode: |\n alert\n",
		"threshold: 5\nrules:\n- {name: a, users: [b]}\ndefaults: {limits: {statement: 1}}\n", "rules: &x [*x]", "defaults: *x", "rules: {a: b}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newSettings(nil)
		lines, err := s.parseFile("f", text)
		if err != nil {
			return
		}
		again, err := s.parseFile("f", text)
		if err != nil || !reflect.DeepEqual(lines, again) {
			t.Fatalf("%v, then %v, %v", lines, again, err)
		}
		known := 0
		for _, v := range s.all() {
			l, ok := lines[v.name]
			if !ok {
				continue
			}
			known++
			if err := v.parse(l.text, v.name); err == nil && v.number == nil && *v.text != l.text {
				t.Fatalf("%s: %q became %q", v.name, l.text, *v.text)
			}
		}
		for _, name := range structured {
			if _, ok := lines[name]; ok {
				known++
			}
		}
		if known != len(lines) {
			t.Fatalf("%d of %d lines are settings", known, len(lines))
		}
		// An error or not, but no panic.
		if s.validate() == nil {
			_ = s.readPolicy(lines)
		}
	})
}
