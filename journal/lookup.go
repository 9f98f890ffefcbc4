package journal

import (
	"errors"
	"fmt"
	"time"
)

// noun is what a kind of thing in the journal is called.
type noun struct{ one, many string }

var (
	anEntry     = noun{"journal entry", "journal entries"}
	anAllowance = noun{"allowance", "allowances"}
	aHold       = noun{"hold", "holds"}
)

// lookupError is ErrNotFound, ErrAmbiguous or ErrExists in words that fit the thing.
type lookupError struct {
	is   error
	text string
}

func (e *lookupError) Error() string { return e.text }
func (e *lookupError) Unwrap() error { return e.is }

func notFound(n noun, id string) error {
	return &lookupError{ErrNotFound, fmt.Sprintf("no such %s: %q", n.one, id)}
}

func exists(n noun, id string) error {
	return &lookupError{ErrExists, fmt.Sprintf("%s exists already: %s", n.one, id)}
}

// lookup finds the one thing with this ID or unique prefix. read returns what a
// condition selects, in order of their IDs and no more than two.
func lookup[T any](n noun, id string, idOf func(T) string, read func(where string, args ...any) ([]T, error)) (T, error) {
	var none T
	found, err := read("id = ?", id)
	if err == nil && len(found) == 0 && id != "" {
		where, args := Filter{ID: id}.where()
		found, err = read(where, args...)
	}
	switch {
	case err != nil:
		return none, err
	case len(found) == 0:
		return none, notFound(n, id)
	case len(found) > 1:
		return none, &lookupError{ErrAmbiguous, fmt.Sprintf("several %s start with this ID: %q, among them %s and %s",
			n.many, id, idOf(found[0]), idOf(found[1]))}
	}
	return found[0], nil
}

// validTime refuses times that the file cannot hold: they would be read back as others.
func validTime(what string, t time.Time) error {
	if y := t.UTC().Year(); y < 1970 || y > 2200 {
		return errors.New("journal: " + what + " needs a time between 1970 and 2200")
	}
	return nil
}
