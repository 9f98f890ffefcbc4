package yamlstrict

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// Error is what is wrong in one line.
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Errorf is an *Error at a node.
func Errorf(n *yaml.Node, format string, args ...any) error {
	return &Error{Line: n.Line, Err: fmt.Errorf(format, args...)}
}

// At puts an error at a node; one that has a line already keeps it.
func At(n *yaml.Node, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{Line: n.Line, Err: err}
}

// In is the text of an error as in "rowback.yaml:3: …"; one without a line goes
// without it.
func In(file string, err error) string {
	var e *Error
	if errors.As(err, &e) {
		return fmt.Sprintf("%s:%d: %v", file, e.Line, e.Err)
	}
	return file + ": " + strings.TrimPrefix(err.Error(), "yaml: ")
}
