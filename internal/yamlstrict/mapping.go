package yamlstrict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// Key is one key that a mapping may have.
type Key struct {
	Name   string
	Decode func(value *yaml.Node) error // an error without a line gets the value's
}

// Parse is the only value of a YAML text; nil if that is empty or has comments alone.
func Parse(text []byte) (*yaml.Node, error) {
	var doc, second yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntax(text, err)
	}
	if err := d.Decode(&second); err == nil {
		return nil, Errorf(&second, "a second document begins here; there may be one only")
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(text, err)
	}
	return doc.Content[0], nil
}

// Mapping decodes a mapping; what says what its keys are ("setting"), for errors.
func Mapping(n *yaml.Node, what string, keys ...Key) error {
	n = Resolve(n)
	if n.Kind != yaml.MappingNode {
		return Errorf(n, "expected lines of the form “%s: value”", what)
	}
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := find(keys, name.Value)
		if key == nil || name.Kind != yaml.ScalarNode {
			return At(name, Unknown(what, name.Value, names(keys)))
		}
		if line, twice := first[name.Value]; twice {
			return Errorf(name, "%s is already set in line %d", name.Value, line)
		}
		first[name.Value] = name.Line
		if err := key.Decode(value); err != nil {
			return At(value, prefixed(name.Value, err))
		}
	}
	return nil
}

// prefixed says which key an error is about, unless it is about a line within the value.
func prefixed(name string, err error) error {
	if _, inner := err.(*Error); inner {
		return err
	}
	return fmt.Errorf("%s %w", name, err)
}

// List decodes each item of a list.
func List(item func(value *yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		n = Resolve(n)
		if n.Kind != yaml.SequenceNode {
			return fmt.Errorf("takes a list")
		}
		for _, v := range n.Content {
			if err := item(v); err != nil {
				return At(v, err)
			}
		}
		return nil
	}
}

// Null reports whether a value is left empty.
func Null(n *yaml.Node) bool { return Resolve(n).Tag == "!!null" }

// Unknown is the error for a name that is none of names, with the nearest one that is.
func Unknown(what, name string, names []string) error {
	if best := Nearest(name, names); best != "" {
		return fmt.Errorf("unknown %s %q, did you mean %q?", what, name, best)
	}
	return fmt.Errorf("unknown %s %q; there are: %s", what, name, strings.Join(names, ", "))
}

// Resolve is the value that an alias (*name) stands for, or the value itself.
func Resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func find(keys []Key, name string) *Key {
	for i := range keys {
		if keys[i].Name == name {
			return &keys[i]
		}
	}
	return nil
}

func names(keys []Key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Name
	}
	return out
}
