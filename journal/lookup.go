package journal

import (
	"errors"
	"fmt"
	"time"
)

// lookupError is ErrNotFound, ErrAmbiguous or ErrExists in words that fit the thing.
type lookupError struct {
	is   error
	text string
}

func (e *lookupError) Error() string { return e.text }
func (e *lookupError) Unwrap() error { return e.is }

func notFound(n Noun, id string) error {
	return &lookupError{ErrNotFound, fmt.Sprintf("no such %s: %q", n.one, id)}
}

func exists(n Noun, id string) error {
	return &lookupError{ErrExists, fmt.Sprintf("%s exists already: %s", n.one, id)}
}

// lookup is Lookup for SQLite: read returns what a condition selects.
func lookup[T any](n Noun, id string, idOf func(T) string, read func(where string, args ...any) ([]T, error)) (T, error) {
	return Lookup(n, id, idOf, func(prefix bool) ([]T, error) {
		if !prefix {
			found, err := read("id = ?", id)
			for _, f := range found {
				if is := idOf(f); err == nil && is != id {
					err = fmt.Errorf("%w: its index has %s for %s %s", ErrDamaged, is, n.one, id)
				}
			}
			return found, err
		}
		where, args := Filter{ID: id}.where()
		return read(where, args...)
	})
}

// validTime refuses times that the file cannot hold: they would be read back as others.
func validTime(what string, t time.Time) error {
	if y := t.UTC().Year(); y < 1970 || y > 2200 {
		return errors.New("journal: " + what + " needs a time between 1970 and 2200")
	}
	return nil
}
