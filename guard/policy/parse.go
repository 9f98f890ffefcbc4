package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// Base is what applies where a configuration says nothing.
func Base() Rule {
	return Uniform(Block, 1000).Default
}

// Parse reads the value of the key rules: a list of rules, each a mapping. What
// a rule leaves out it takes from defaults. Errors have their line
// (yamlstrict.Error).
func Parse(node *yaml.Node, defaults Rule) ([]Rule, error) {
	var rules []Rule
	named := map[string]int{} // line by name
	err := yamlstrict.List(func(n *yaml.Node) error {
		r := inherit(defaults)
		given, err := decode(n, &r, false)
		if err != nil {
			return err
		}
		if err := located(n, given, r.Validate()); err != nil {
			return err
		}
		if line, twice := named[r.Name]; twice {
			return yamlstrict.Errorf(given["name"], "a rule called %q begins in line %d already", r.Name, line)
		}
		named[r.Name] = n.Line
		rules = append(rules, r)
		return nil
	})(node)
	var located *yamlstrict.Error
	if err != nil && !errors.As(err, &located) {
		err = yamlstrict.Errorf(node, "rules %w", err)
	}
	if err != nil {
		return nil, err
	}
	return rules, nil
}

// ParseDefaults reads the value of the key defaults: a mapping like a rule's,
// without name and without whom it is for. What it leaves out stays as in base.
func ParseDefaults(node *yaml.Node, base Rule) (Rule, error) {
	r := inherit(base)
	r.Name = DefaultName
	given, err := decode(node, &r, true)
	if err == nil {
		err = located(node, given, r.validate(true))
	}
	if err != nil {
		return Rule{}, yamlstrict.At(node, err)
	}
	return r, nil
}

// inherit is a rule with all that the default does, and nobody it is for.
func inherit(r Rule) Rule {
	r.Name, r.Match = "", Match{}
	r.CommentAllowances, r.CommentMax = false, 0
	r.Windows, r.Refuse, r.SoftDelete = slices.Clone(r.Windows), slices.Clone(r.Refuse), slices.Clone(r.SoftDelete)
	r.ExcludeColumns = slices.Clone(r.ExcludeColumns)
	return r
}

// decode reads one rule over what it inherits, and returns the keys' nodes by name.
func decode(n *yaml.Node, r *Rule, isDefault bool) (given map[string]*yaml.Node, err error) {
	var threshold int64
	what := "key of a rule"
	if isDefault {
		what = "key of the defaults"
	}
	n = hyphens(n)
	if err := yamlstrict.Mapping(n, what, notEmpty(r.keys(&threshold, isDefault))...); err != nil {
		return nil, err
	}
	given = map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		given[n.Content[i].Value] = n.Content[i]
	}
	if at := given["threshold"]; at != nil {
		if given["limits"] != nil {
			return nil, yamlstrict.Errorf(at, "threshold sets both limits, and limits stands in line %d; give one of them", given["limits"].Line)
		}
		r.Statement, r.Transaction = threshold, threshold
	}
	if at := given["exclude-columns"]; at != nil && len(r.ExcludeColumns) > 0 && r.Capture != CaptureRows {
		return nil, yamlstrict.Errorf(at, "exclude-columns says nothing without capture: rows")
	}
	switch at := given["fraction-min"]; {
	case at != nil && r.Fraction == 0:
		return nil, yamlstrict.Errorf(at, "fraction-min says nothing without fraction")
	case at == nil && given["fraction"] != nil && r.FractionMin == 0:
		r.FractionMin = DefaultFractionMin
	}
	return given, nil
}

// keys decode into r, threshold into what it points to.
func (r *Rule) keys(threshold *int64, isDefault bool) []yamlstrict.Key {
	conduct := []yamlstrict.Key{
		{Name: "mode", Decode: yamlstrict.OneOf(&r.Mode, modes...)},
		{Name: "threshold", Decode: limit(threshold)},
		{Name: "limits", Decode: r.decodeLimits},
		{Name: "windows", Decode: r.decodeWindows},
		{Name: "fraction", Decode: yamlstrict.Scalar(func(text string) (err error) { r.Fraction, err = parseFraction(text); return err })},
		{Name: "fraction-min", Decode: yamlstrict.Int(&r.FractionMin)},
		{Name: "where-required", Decode: yamlstrict.Bool(&r.WhereRequired)},
		{Name: "refuse", Decode: words(&r.Refuse, verbs)},
		{Name: "uncaptured", Decode: yamlstrict.OneOf(&r.Uncaptured, actions...)},
		{Name: "uncountable", Decode: yamlstrict.OneOf(&r.Uncountable, actions...)},
		{Name: "capture", Decode: yamlstrict.OneOf(&r.Capture, captures...)},
		{Name: "exclude-columns", Decode: yamlstrict.Texts(&r.ExcludeColumns)},
		{Name: "updates", Decode: yamlstrict.Bool(&r.Updates)},
		{Name: "soft-delete", Decode: r.decodeSoftDelete},
		{Name: "temporary", Decode: yamlstrict.Bool(&r.Temporary)},
		{Name: "hold-for", Decode: span(&r.HoldFor)},
	}
	if isDefault {
		return conduct
	}
	return append([]yamlstrict.Key{
		{Name: "name", Decode: yamlstrict.Text(&r.Name)},
		{Name: "databases", Decode: globs(&r.Match.Databases)},
		{Name: "tables", Decode: globs(&r.Match.Tables)},
		{Name: "users", Decode: globs(&r.Match.Users)},
		{Name: "applications", Decode: globs(&r.Match.Applications)},
		{Name: "networks", Decode: r.Match.decodeNetworks},
	}, append(conduct, yamlstrict.Key{Name: "comment-allowances", Decode: r.decodeCommentAllowances})...)
}

// Keys are the names of all keys that a rule may have.
func Keys() (names []string) {
	for _, k := range new(Rule).keys(new(int64), false) {
		names = append(names, k.Name)
	}
	return names
}

// DefaultKeys are those of them that defaults may have.
func DefaultKeys() (names []string) {
	for _, k := range new(Rule).keys(new(int64), true) {
		names = append(names, k.Name)
	}
	return names
}

// DefaultFractionMin goes with a fraction that is given without fraction-min: a
// tenth of a table of twenty rows is no mass delete.
const DefaultFractionMin = 100

// located puts a FieldError at the line of its key, or of the rule.
func located(n *yaml.Node, given map[string]*yaml.Node, err error) error {
	var e *FieldError
	if !errors.As(err, &e) {
		return err
	}
	if at := given[e.Field]; at != nil {
		n = at
	}
	text := e.Field + ": " + e.Problem
	if e.Rule != "" && e.Rule != DefaultName && e.Field != "name" {
		text = fmt.Sprintf("rule %q: %s", e.Rule, text)
	}
	return yamlstrict.At(n, errors.New(text))
}

// hyphens is a mapping whose keys may be written with underscores, too.
func hyphens(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return n
	}
	m := *n
	m.Content = slices.Clone(n.Content)
	for i := 0; i+1 < len(m.Content); i += 2 {
		key := *m.Content[i]
		key.Value = strings.ReplaceAll(key.Value, "_", "-")
		m.Content[i] = &key
	}
	return &m
}

// notEmpty refuses keys without a value: whether that would mean none, any or
// the default is anybody's guess.
func notEmpty(keys []yamlstrict.Key) []yamlstrict.Key {
	for i, k := range keys {
		keys[i].Decode = func(n *yaml.Node) error {
			if yamlstrict.Null(n) {
				return errors.New("has no value; leave the key out, or give one")
			}
			return k.Decode(n)
		}
	}
	return keys
}

// span decodes a duration, days too.
func span(to *time.Duration) func(*yaml.Node) error {
	return yamlstrict.Scalar(func(text string) (err error) { *to, err = parseSpan(text); return err })
}
