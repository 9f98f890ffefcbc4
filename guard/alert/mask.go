package alert

import (
	"errors"
	"slices"
	"strings"
)

// Shorter texts than these are not masked: they would eat words. A part of an
// address ("v2", "alerts") is less likely a secret than what is in its place for one.
const (
	shortest     = 4
	shortestPart = 8
)

// maskedError is an error whose text has no secrets; what it is stays.
type maskedError struct {
	text string
	err  error
}

func (e *maskedError) Error() string { return e.text }

func (e *maskedError) Unwrap() error { return e.err }

// masked is an error of a sink's, fit for a log.
func (s *Sink) masked(err error) error {
	if err == nil {
		return nil
	}
	if refused := (*refusedError)(nil); s.SQL && errors.As(err, &refused) {
		c := *refused
		c.said = "" // it may show the statement
		err = &c
	}
	return &maskedError{text: mask(err.Error(), s.To.secrets()), err: err}
}

// mask replaces secrets, the longest first: one may be a part of another.
func mask(text string, secrets []string) string {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		if len(s) >= shortest {
			text = strings.ReplaceAll(text, s, "xxxxx")
		}
	}
	return text
}
