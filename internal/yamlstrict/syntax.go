package yamlstrict

import (
	"bytes"
	"errors"
	"io"
	"regexp"

	"gopkg.in/yaml.v3"
)

// lineOf is how yaml names a line, or where it has none.
var lineOf = regexp.MustCompile(`^yaml: (line \d+: )?`)

// syntax is yaml's error at the line from which on the text cannot be read. The
// line that yaml itself names may be another, where the enclosing value begins.
func syntax(text []byte, err error) error {
	lines := bytes.SplitAfter(text, []byte("\n"))
	n := len(lines)
	for n > 1 && !reads(bytes.Join(lines[:n-1], nil)) {
		n--
	}
	line := lines[n-1]
	if indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]; bytes.IndexByte(indent, '\t') >= 0 {
		return &Error{Line: n, Err: errors.New("the line is indented by a tab; YAML takes spaces alone")}
	}
	return &Error{Line: n, Err: errors.New(lineOf.ReplaceAllString(err.Error(), ""))}
}

func reads(text []byte) bool {
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
