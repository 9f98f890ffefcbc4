package pgjournal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/journal"
)

// explain turns the server's error into what is wrong and what to do. Other errors pass.
func (j *shared) explain(err error) error {
	if j.closing.Load() {
		return journal.ErrClosed
	}
	var answer *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &answer):
		return j.explainState(answer, err)
	case errors.As(err, &connect):
		return &unreachable{j.where, err}
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %s did not answer in time (nor does it while it waits for a synchronous standby): %w", journal.ErrAway, j.where, err)
	}
	return err
}

func (j *shared) explainState(answer *pgconn.PgError, err error) error {
	if strings.HasPrefix(answer.Code, "28") { // invalid_authorization_specification
		return fmt.Errorf("journal: %s does not let this role in; mend user and password in its URL, or the password in ~/.pgpass: %w", j.where, answer)
	}
	switch answer.Code {
	case "57P01", "57P02", "57P03":
		return fmt.Errorf("%w: %s: %w", journal.ErrAway, j.where, err)
	case "53100":
		return fmt.Errorf("%w: %s: %w", journal.ErrFull, j.where, err)
	case "42501":
		return fmt.Errorf("%w: %s: %w; use a role that owns schema %s, or grant it CREATE on the database once; who only reads needs USAGE on the schema and SELECT on its tables", journal.ErrReadOnly, j.where, err, Schema)
	case "25006":
		return fmt.Errorf("%w: %s is a standby, or set to read only; name the primary, or all hosts with target_session_attrs=read-write", journal.ErrReadOnly, j.where)
	case "3D000":
		database := j.where[strings.LastIndexByte(j.where, '/')+1:]
		return fmt.Errorf("journal: %s: there is no database %s; make it there (CREATE DATABASE %s), the first proxy makes the rest: %w", j.where, database, pgx.Identifier{database}.Sanitize(), answer)
	case "XX001", "XX002":
		return fmt.Errorf("%w: %s: %w", journal.ErrDamaged, j.where, err)
	case "42P05", "26000": // a prepared statement that another session made, or has
		return fmt.Errorf("journal: %s: a pooler in transaction mode stands before it; connect straight, or through one in session mode: %w", j.where, answer)
	case "42P01", "3F000":
		return fmt.Errorf("%w: %s has no schema %s any more", journal.ErrGone, j.where, Schema)
	}
	return fmt.Errorf("journal: %s: %w", j.where, err)
}

// unreachable is a failed connection. pgconn's own text tells every address with
// and without TLS, on lines of their own.
type unreachable struct {
	where string
	err   error
}

func (e *unreachable) Unwrap() []error { return []error{journal.ErrAway, e.err} }

func (e *unreachable) Error() string {
	var reasons []string
	readOnly, others := false, false
	for line := range strings.Lines(e.err.Error()) {
		line = strings.TrimSpace(line)
		if !strings.HasSuffix(line, ":") && !slices.Contains(reasons, line) {
			reasons = append(reasons, line)
			is := strings.Contains(line, "ValidateConnect failed: read only connection")
			readOnly, others = readOnly || is, others || !is && !strings.Contains(line, "server refused TLS connection")
		}
	}
	if readOnly && !others {
		return fmt.Sprintf("journal: %s is read only: name the primary, or all hosts with target_session_attrs=read-write; or it has default_transaction_read_only", e.where)
	}
	return fmt.Sprintf("journal: %s cannot be reached; see that it runs, and that the URL is right: %s", e.where, strings.Join(reasons, "; "))
}
