package alert

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} by the environment's value; $${ is a plain ${.
func expand(text string, env func(string) (string, bool)) (string, error) {
	var errs []error
	out := variable.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name := strings.TrimSuffix(m[2:], "}")
		if !strings.HasSuffix(m, "}") || !variableName.MatchString(name) {
			errs = append(errs, errors.New("has a ${ that names no variable (write $${ for a plain ${)"))
			return ""
		}
		value, ok := env(name)
		if !ok || value == "" {
			errs = append(errs, fmt.Errorf("needs the environment variable %s, which is not set", name))
		}
		return value
	})
	if len(errs) > 0 {
		return "", errs[0]
	}
	return out, nil
}
