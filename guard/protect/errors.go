package protect

import (
	"errors"
	"fmt"
	"strings"
)

// RequestError is a request that cannot be carried out as it is.
type RequestError struct{ text string }

func (e *RequestError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &RequestError{fmt.Sprintf(format, args...)}
}

// DeniedError says what the role may not do, all of it.
type DeniedError struct {
	Role    string
	Missing []string
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("role %s may not do this: %s", e.Role, strings.Join(e.Missing, "; "))
}

// ErrNewer: a newer rowback has installed what is there.
var ErrNewer = errors.New("the in-database guard was installed by a newer rowback")
