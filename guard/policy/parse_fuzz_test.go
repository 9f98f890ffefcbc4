package policy

import (
	"errors"
	"reflect"
	"testing"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// Whatever stands there is refused, with a line, or read: then every rule is
// valid, and reading it again gives the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		everyKey, "", "[]", "- a", "- &a {name: x}\n- *a", "- {name: a, windows: [{rows: 1, per: 1s}]}", "- {name: a, networks: [local]}",
		"- &x\n  name: a\n  tables: &t [b]\n- name: c\n  users: *t", "- {? [a] : b}", "- name: !!binary aGk=", "- {name: a, fraction: 1e-300%}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := yamlstrict.Parse(text)
		if err != nil || n == nil {
			return
		}
		rules, err := Parse(n, Base())
		if err != nil {
			var at *yamlstrict.Error
			if !errors.As(err, &at) || at.Line < 1 {
				t.Fatalf("no line: %v", err)
			}
			return
		}
		p := Policy{Rules: rules, Default: Base()}
		if err := p.Validate(); err != nil {
			t.Fatalf("read, but not valid: %v", err)
		}
		if again, err := Parse(n, Base()); err != nil || !reflect.DeepEqual(again, rules) {
			t.Fatalf("%+v, then %+v, %v", rules, again, err)
		}
		_, _ = p.String(), p.Shadows()
	})
}
