package recovery

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/passfile"
)

// connectError is why a session could not be opened. The driver tries each
// host with and without TLS and tells of every try; people are told of every
// reason once, what a server said before what the network did.
type connectError struct {
	name  string // of the side
	err   error
	check string // what says where it is; "": the flag of its name
}

// IsConnectError: err is of ConnectError, and says all that there is to say.
func IsConnectError(err error) bool {
	var e *connectError
	return errors.As(err, &e)
}

// CheckInstead has an error of a connection to the database of this name say what
// to check in the place of --NAME. Other errors, and one that was told before,
// stay as they are; and what has been made a part of another's text.
func CheckInstead(err error, name, what string) error {
	var e *connectError
	if errors.As(err, &e) && e.name == name && e.check == "" {
		e.check = what
	}
	return err
}

// ConnectError is what people are told when a session to the database of that
// name could not be opened.
func ConnectError(name string, err error) error { return &connectError{name: name, err: err} }

func (e *connectError) Unwrap() error { return e.err }

func (e *connectError) Error() string {
	var said, other []string
	add := func(to *[]string, text string) {
		if !slices.Contains(*to, text) {
			*to = append(*to, text)
		}
	}
	for _, err := range leaves(e.err) {
		var answer *pgconn.PgError
		if errors.As(err, &answer) {
			add(&said, answer.Message)
		} else {
			add(&other, firstUseful(err))
		}
	}
	if len(said) > 0 { // then TLS was not the matter: it was tried without
		other = slices.DeleteFunc(other, func(text string) bool { return strings.Contains(text, "server refused TLS connection") })
	}
	if none := passfile.Unfound(e.err); none != "" {
		said = append(said, none)
	}
	reasons := strings.Join(append(said, other...), "; ")
	check := e.check
	if check == "" {
		check = "--" + e.name
	}
	return fmt.Sprintf("cannot connect to the %s database: %s; check %s, and that its server runs and lets this role in", e.name, reasons, check)
}

// leaves are the errors of the single tries.
func leaves(err error) (out []error) {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		err = connect.Unwrap()
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			out = append(out, leaves(one)...)
		}
		return out
	}
	return []error{err}
}

// firstUseful is an error's text without what repeats it.
func firstUseful(err error) string {
	var network *net.OpError
	if errors.As(err, &network) {
		return network.Error()
	}
	return strings.TrimSpace(strings.SplitN(err.Error(), "\n", 2)[0])
}
