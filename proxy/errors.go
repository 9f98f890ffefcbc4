package proxy

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/budget"
)

// SQLSTATEs that the proxy itself reports.
const (
	codeConnectionFailure  = "08006"
	codeCannotConnect      = "08001"
	codeProtocolViolation  = "08P01"
	codeUnsupported        = "0A000"
	codeInvalidAuth        = "28000"
	codeTooManyConnections = "53300"
	codeLimit              = "54000"
	codeNoMemory           = "53200"
	codeAdminShutdown      = "57P01"
	codeInternal           = "XX000"
)

var (
	// ErrCopyIn is Quiesce's answer while the server waits for the client's COPY
	// data, so that the earlier messages cannot be answered yet. In that state a
	// server ignores Sync and Flush. A Session may return it from Message as it
	// is: the message under judgement is then forwarded.
	ErrCopyIn = errors.New("the server waits for COPY data from the client")

	// ErrRowLost is Receive's answer in place of a row that found no room in
	// Options.Memory. The next one is that of the message behind it.
	ErrRowLost = fmt.Errorf("a row is lost: %w", budget.ErrFull)

	errClientGone    = errors.New("the client closed the connection")
	errServerGone    = errors.New("the server closed the connection")
	errServerSaidWhy = errors.New("the server ended the session with an error of its own")
	errTerminated    = errors.New("the client ended the session")
	errEnded         = errors.New("the session has ended")
	errFault         = errors.New("a fault in rowback")
)

// clientError is an error with a text for the client; cause is for the log only.
type clientError struct {
	code, message, detail, hint string
	cause                       error
}

func (e *clientError) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

func (e *clientError) Unwrap() error { return e.cause }

func protocolError(message string) error {
	return &clientError{code: codeProtocolViolation, message: message}
}

// noRoom is that a message found no room in Options.Memory.
func noRoom(cause error) error {
	return &clientError{code: codeNoMemory, message: "out of memory: the proxy has no room for so long a message now", hint: budget.Hint, cause: cause}
}

// errStalled: others wait for the room that a session has which waits for its client.
var errStalled = &clientError{code: codeNoMemory, message: "terminating connection: the client has stopped amid a long message, or its answer, and others wait for the memory",
	hint: "Send and read long messages without a stop, or raise the proxy's max-memory."}

var errShutdown = &clientError{code: codeAdminShutdown, message: "terminating connection due to administrator command"}

// fatalFor is the last message to a client whose session ended with err; nil
// where nothing is to be said, or nobody is left to hear it.
func fatalFor(err error) []byte {
	var ce *clientError
	switch {
	case err == nil, errors.Is(err, errClientGone), errors.Is(err, errServerSaidWhy), errors.Is(err, errTerminated):
		return nil
	case errors.As(err, &ce):
	case errors.Is(err, budget.ErrFull):
		errors.As(noRoom(err), &ce)
	case errors.Is(err, errServerGone):
		ce = &clientError{code: codeConnectionFailure, message: "the database server closed the connection unexpectedly",
			hint: "The server may have stopped or restarted; connect again. Its log says more."}
	default:
		ce = &clientError{code: codeInternal, message: "internal error of the proxy; its log says more"}
	}
	m := pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: ce.code, Message: ce.message, Detail: ce.detail, Hint: ce.hint}
	b, _ := m.Encode(nil)
	return b
}

// isFatal reports whether an ErrorResponse ends the session. The severity comes
// first in it.
func isFatal(body []byte) bool {
	severity := errorField(body[:min(len(body), lookSize)], 'V')
	return severity == "FATAL" || severity == "PANIC"
}

// serverSaid is errServerSaidWhy with what the server said. Of errors that end a
// session the text holds no rows.
func serverSaid(body []byte) error {
	return fmt.Errorf("%w: %s (SQLSTATE %s)", errServerSaidWhy, errorField(body, 'M'), errorField(body, 'C'))
}

// errorField is a field of an ErrorResponse.
func errorField(body []byte, field byte) string {
	for len(body) > 1 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		if !ok {
			break
		}
		if body[0] == field {
			return string(value)
		}
		body = rest
	}
	return ""
}
