package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// line is a value in the configuration file.
type line struct {
	text   string
	number int
}

// readFile reads the configuration file into its lines by key and sets
// ConfigFile to the one it read. A file that was asked for must exist.
func (s *settings) readFile(flagged bool) (map[string]line, error) {
	candidates := []string{s.ConfigFile}
	asked := flagged
	if !asked {
		s.ConfigFile = ""
		candidates = []string{"rowback.yaml", "/etc/rowback/rowback.yaml"}
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

func (s *settings) parseFile(name string, text []byte) (map[string]line, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 { // empty, or comments only
		return nil, nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: expected lines of the form “setting: value”", name, top.Line)
	}
	lines := make(map[string]line)
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		at := fmt.Sprintf("%s:%d: ", name, key.Line)
		if err := s.known(key.Value); err != nil {
			return nil, fmt.Errorf("%s%w", at, err)
		}
		if first, twice := lines[key.Value]; twice {
			return nil, fmt.Errorf("%s%s is already set in line %d", at, key.Value, first.number)
		}
		if value.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%s%s takes one value, not a list or mapping", at, key.Value)
		}
		text := value.Value
		if value.Tag == "!!null" {
			text = ""
		}
		lines[key.Value] = line{text, key.Line}
	}
	return lines, nil
}

// known refuses a key that is no setting, with the nearest one that is.
func (s *settings) known(key string) error {
	var names []string
	for _, v := range s.all() {
		if v.name == key {
			return nil
		}
		names = append(names, v.name)
	}
	if best := nearest(strings.ReplaceAll(strings.ToLower(key), "_", "-"), names); best != "" {
		return fmt.Errorf("unknown setting %q, did you mean %q?", key, best)
	}
	return fmt.Errorf("unknown setting %q; there are: %s", key, strings.Join(names, ", "))
}

// nearest is the one of names that text may have been meant as, "" if none is near.
func nearest(text string, names []string) string {
	best, distance := "", 4
	for _, name := range names {
		if d := editDistance(text, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
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
