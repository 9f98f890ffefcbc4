package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/yamlstrict"
)

// structured are the keys whose values are lists or mappings. They have no flag
// and no environment variable.
var structured = []string{"alerts", "checks", "defaults", "restore", "rules"}

// line is a value in the configuration file.
type line struct {
	text   string
	number int
	node   *yaml.Node // of a structured key; text is "" then
}

// readFile reads the configuration file into its lines by key and sets
// ConfigFile to the one it read. A file that was asked for must exist.
func (s *settings) readFile(flagged bool) (map[string]line, error) {
	candidates := []string{s.ConfigFile}
	asked := flagged
	if !asked {
		if s.ConfigFile != "" { // a reload, of the one that was found
			candidates, asked = []string{s.ConfigFile}, true
		} else {
			candidates = []string{"rowback.yaml", "/etc/rowback/rowback.yaml"}
		}
		if name := s.env["ROWBACK_CONFIG"]; name != "" {
			candidates, asked = []string{name}, true
		}
	}
	for _, name := range candidates {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && !asked {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("configuration file: %w", err)
		}
		s.ConfigFile = name
		return s.parseFile(name, text)
	}
	return nil, nil
}

// parseFile reads a file's text. Values of structured keys are left as they stand.
func (s *settings) parseFile(name string, text []byte) (map[string]line, error) {
	top, err := yamlstrict.Parse(text)
	if err == nil && top != nil {
		lines := make(map[string]line)
		if err = yamlstrict.Mapping(top, "setting", append(s.fileKeys(lines), ofRules(top)...)...); err == nil {
			return lines, nil
		}
	}
	if err != nil {
		return nil, errors.New(yamlstrict.In(name, err))
	}
	return nil, nil // empty, or comments only
}

// ofRules are the keys of a rule, but those that are settings: at the top they are an
// error that says where they stand. Only those that are there: no other name is near them.
func ofRules(top *yaml.Node) (keys []yamlstrict.Key) {
	settings := newSettings(nil).all()
	for i := 0; i+1 < len(top.Content); i += 2 {
		name := top.Content[i].Value
		if slices.Contains(policy.Keys(), name) && !slices.ContainsFunc(settings, func(v setting) bool { return v.name == name }) {
			keys = append(keys, yamlstrict.Key{Name: name, Decode: func(*yaml.Node) error {
				if slices.Contains(policy.DefaultKeys(), name) {
					return errors.New("stands under defaults:, or in a rule")
				}
				return errors.New("stands in a rule")
			}})
		}
	}
	return keys
}

// fileKeys are all that a file may hold; their values go into lines.
func (s *settings) fileKeys(lines map[string]line) (keys []yamlstrict.Key) {
	for _, v := range s.all() {
		keys = append(keys, yamlstrict.Key{Name: v.name, Decode: func(n *yaml.Node) error {
			return yamlstrict.Scalar(func(text string) error {
				lines[v.name] = line{text: text, number: n.Line}
				return nil
			})(n)
		}})
	}
	for _, name := range structured {
		keys = append(keys, yamlstrict.Key{Name: name, Decode: func(n *yaml.Node) error {
			if !yamlstrict.Null(n) {
				lines[name] = line{number: n.Line, node: n}
			}
			return nil
		}})
	}
	return keys
}

// parse sets the setting from text; where is named in the error.
func (v setting) parse(text, where string) error {
	if v.number == nil {
		*v.text = text
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %q is not a whole number", where, text)
	}
	*v.number = n
	return nil
}
