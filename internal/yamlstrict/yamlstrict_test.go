package yamlstrict

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

type config struct {
	Name   string
	Limit  int64
	Hold   time.Duration
	On     bool
	Mode   string
	Tables []string
	Rules  []config
}

func decode(text string) (c config, err error) {
	n, err := Parse([]byte(text))
	if err != nil || n == nil {
		return c, err
	}
	return c, Mapping(n, "setting", c.keys()...)
}

func (c *config) keys() []Key {
	return []Key{
		{"name", Text(&c.Name)},
		{"limit", Int(&c.Limit)},
		{"hold-for", Duration(&c.Hold)},
		{"on", Bool(&c.On)},
		{"mode", OneOf(&c.Mode, "block", "alert")},
		{"tables", Texts(&c.Tables)},
		{"rules", List(func(v *yaml.Node) error {
			var r config
			err := Mapping(v, "key of a rule", r.keys()...)
			c.Rules = append(c.Rules, r)
			return err
		})},
	}
}

func TestMapping_Decodes(t *testing.T) {
	got, err := decode(`
name: &n nightly
limit: 100
hold-for: 1m30s
on: on
mode: alert
tables: orders
rules:
  - {name: *n, tables: [a, "b.*"], on: no}
  - name:
`)
	want := config{Name: "nightly", Limit: 100, Hold: 90 * time.Second, On: true, Mode: "alert", Tables: []string{"orders"},
		Rules: []config{{Name: "nightly", Tables: []string{"a", "b.*"}}, {}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	for _, empty := range []string{"", "# nothing\n"} {
		if got, err := decode(empty); err != nil || !reflect.DeepEqual(got, config{}) {
			t.Errorf("%q: %+v, %v", empty, got, err)
		}
	}
}

func TestMapping_ErrorsNameLineAndKey(t *testing.T) {
	for text, want := range map[string]string{
		"name: x\nlimt: 5\n":      `f:2: unknown setting "limt", did you mean "limit"?`,
		"Hold_For: 5s\n":          `f:1: unknown setting "Hold_For", did you mean "hold-for"?`,
		"frobnication: 5\n":       `f:1: unknown setting "frobnication"; there are: name, limit, hold-for, on, mode, tables, rules`,
		"name: x\n\nname: y\n":    "f:3: name is already set in line 1",
		"name: [x]\n":             "f:1: name takes one value, not a list or mapping",
		"limit: many\n":           `f:1: limit takes a whole number, not "many"`,
		"hold-for: 5\n":           `f:1: hold-for takes a time like 30s, 5m or 1h, not "5"`,
		"hold-for: -5s\n":         "f:1: hold-for takes a time",
		"on: maybe\n":             "f:1: on takes true or false",
		"mode:\n  warn\n":         `f:2: mode takes one of block, alert, not "warn"`,
		"tables: {a: b}\n":        "f:1: tables takes a list",
		"tables:\n - a\n - [b]\n": "f:3: takes one value",
		"rules: x\n":              "f:1: rules takes a list",
		"rules:\n - name: a\n - name: b\n   x: 1\n": `f:4: unknown key of a rule "x"`,
		"rules:\n - name: a\n   limit: x\n":         "f:3: limit takes a whole number",
		"rules:\n - a\n":                            "f:2: expected lines of the form “key of a rule: value”",
		"- a\n":                                     "f:1: expected lines of the form “setting: value”",
		"name: x\n  limit: 5\n":                     "f:2: mapping values are not allowed",
		"name: x\n---\nname: y\n":                   "f:2: a second document begins here",
		"[a]: b\n":                                  "f:1: unknown setting",
	} {
		_, err := decode(text)
		if err == nil {
			t.Errorf("%q was taken", text)
		} else if got := In("f", err); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestMapping_KeepsTheCause(t *testing.T) {
	cause := errors.New("is not to be")
	n, err := Parse([]byte("a: 1\nb: 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	take := func(*yaml.Node) error { return nil }
	err = Mapping(n, "setting", Key{"a", take}, Key{"b", func(*yaml.Node) error { return cause }})
	var at *Error
	if !errors.Is(err, cause) || !errors.As(err, &at) || at.Line != 2 {
		t.Errorf("%v", err)
	}
}

func TestNearest(t *testing.T) {
	for text, want := range map[string]string{
		"treshold": "threshold", "THRESHOLD": "threshold", "tls_cert": "tls-cert", "mod": "mode", "xyzzy": "", "on": "on", "x": "",
		"file": "", "yes": "", "foo": "", "usr": "users",
	} {
		if got := Nearest(text, []string{"threshold", "mode", "tls-cert", "on", "help", "users"}); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Where the text is no YAML the line is the one to look at.
func TestParse_SyntaxErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\n  b: 5\n": "f:2: mapping values are not allowed in this context",
		"a: 1\n\nrules:\n  - name: \"a\n\nb: 1\n": "f:4: found unexpected end of stream",
		"a: 1\nrules: [a\nb: 5\n":                 "f:2: did not find expected ',' or ']'",
		"a: 1\n\n\nr:\n  - b\n c: 1\nd: 1\n":      "f:6: did not find expected key",
		"x: 1\ny: 2\nfoo\nz: 1\n":                 "f:3: could not find expected ':'",
		"x: 1\nz: *foo\n":                         "f:2: unknown anchor 'foo' referenced",
		"x: 1\ny: [1,\n  2]\nz:\n\tb: 1\nq: 1\n":  "f:5: the line is indented by a tab; YAML takes spaces alone",
	} {
		_, err := Parse([]byte(text))
		if err == nil || In("f", err) != want {
			t.Errorf("%q: %v, want %s", text, In("f", err), want)
		}
	}
}
