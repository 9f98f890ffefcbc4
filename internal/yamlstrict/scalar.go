package yamlstrict

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Scalar decodes one value by its text, "" for one left empty.
func Scalar(parse func(text string) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		n = Resolve(n)
		if n.Kind != yaml.ScalarNode {
			return errors.New("takes one value, not a list or mapping")
		}
		if n.Tag == "!!null" {
			return parse("")
		}
		return parse(n.Value)
	}
}

// Text decodes any text.
func Text(to *string) func(*yaml.Node) error {
	return Scalar(func(text string) error { *to = text; return nil })
}

// Int decodes a whole number.
func Int(to *int64) func(*yaml.Node) error {
	return Scalar(func(text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("takes a whole number, not %q", text)
		}
		*to = n
		return nil
	})
}

// Bool decodes true, on, yes, false, off or no.
func Bool(to *bool) func(*yaml.Node) error {
	return Scalar(func(text string) error {
		switch strings.ToLower(text) {
		case "true", "on", "yes":
			*to = true
		case "false", "off", "no":
			*to = false
		default:
			return fmt.Errorf("takes true or false, not %q", text)
		}
		return nil
	})
}

// Duration decodes a time above zero as "90s", "5m" or "1h30m".
func Duration(to *time.Duration) func(*yaml.Node) error {
	return Scalar(func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return fmt.Errorf("takes a time like 30s, 5m or 1h, not %q", text)
		}
		*to = d
		return nil
	})
}

// OneOf decodes one of a few words.
func OneOf[T ~string](to *T, allowed ...T) func(*yaml.Node) error {
	return Scalar(func(text string) error {
		words := make([]string, len(allowed))
		for i, a := range allowed {
			if string(a) == text {
				*to = a
				return nil
			}
			words[i] = string(a)
		}
		return fmt.Errorf("takes one of %s, not %q", strings.Join(words, ", "), text)
	})
}

// Texts decodes a list of texts, or one alone.
func Texts(to *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		*to = nil
		one := func(v *yaml.Node) error {
			var s string
			if err := Text(&s)(v); err != nil {
				return err
			}
			*to = append(*to, s)
			return nil
		}
		if Resolve(n).Kind == yaml.ScalarNode {
			return one(n)
		}
		return List(one)(n)
	}
}
