package pgjournal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowback/rowback/journal"
)

const (
	connectTimeout = 3 * time.Second
	openTimeout    = 15 * time.Second
	lockTimeout    = 10 * time.Second
	// tryTimeout bounds one attempt at a write, or to read what is at hand, and before
	// either the wait for a connection; perByte is added for what a write sends.
	tryTimeout = 10 * time.Second
	perByte    = time.Second / (1 << 20)
	// pageTimeout bounds one attempt to read what may have to be looked for, or is
	// large: a page of a listing, a block.
	pageTimeout = 30 * time.Second
	// patience is how long a write is tried again where the server is not there;
	// moreIfLost is added where it may have been stored: that is worth knowing.
	patience   = 10 * time.Second
	moreIfLost = 10 * time.Second
	// brief is patience with what can be made up for later: a client waits.
	brief = 2 * time.Second
)

// notConfirmed marks, in a connection's CustomData, that the server has not
// waited for its synchronous standby.
const notConfirmed = "rowback: not confirmed"

// ErrUnknown: a write failed, and may have been stored all the same.
var ErrUnknown = errors.New("whether it was stored is not known")

var errNotConfirmed = errors.New("the server did not wait for its synchronous standby")

// unconfirmed: the server says that it committed, but did not wait for its
// standby (SyncRepWaitForLSN: its only warnings).
func unconfirmed(n *pgconn.Notice) bool {
	return n.Severity == "WARNING" && (n.Routine == "SyncRepWaitForLSN" || n.Code == "57P01")
}

// write does a write, again if need be, for as long as patience allows. again
// tells do that an attempt before may have been stored. size is about how many
// bytes it sends. Cancelling ctx stops it only before it has begun; ctx's deadline
// stops it at any time.
func (j *shared) write(ctx context.Context, size int64, do func(ctx context.Context, c *pgx.Conn, again bool) error) error {
	return j.writeFor(ctx, patience, moreIfLost, size, do)
}

// writeBriefly is write for what is not evidence.
func (j *shared) writeBriefly(ctx context.Context, do func(ctx context.Context, c *pgx.Conn) error) error {
	return j.writeFor(ctx, brief, 0, 0, func(ctx context.Context, c *pgx.Conn, _ bool) error { return do(ctx, c) })
}

func (j *shared) writeFor(ctx context.Context, patience, moreIfLost time.Duration, size int64, do func(ctx context.Context, c *pgx.Conn, again bool) error) error {
	if err := j.mayWrite(ctx); err != nil {
		return err
	}
	if j.format < len(migrations) {
		return fmt.Errorf("journal: %s has format %d, and was opened for reading alone", j.where, j.format)
	}
	again, renewed, extended := false, false, false
	began := time.Now()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := j.attempt(ctx, size, func(ctx context.Context, c *pgx.Conn) error { return do(ctx, c, again) })
		if err == nil {
			return nil
		}
		if isMissing(err) && !renewed { // somebody dropped it: evidence from now on is better than none
			renewed = true
			if err := j.renew(ctx); err != nil {
				return j.explain(err)
			}
			continue
		}
		if hasNoPartition(err) && !extended { // a proxy that saw to it in time is gone
			extended = true
			if err := j.extend(ctx); err != nil {
				return j.explain(err)
			}
			continue
		}
		transient, maybe := fate(err)
		again = again || maybe
		limit := patience
		if again {
			limit += moreIfLost
		}
		if !transient || time.Since(began) > limit || j.closing.Load() || ctx.Err() != nil && !again || overdue(ctx) {
			if again {
				err = fmt.Errorf("%w; %w", err, ErrUnknown)
			}
			return j.explain(err)
		}
		if !inTheWay(err) {
			j.pool.Reset() // the other connections lead to the same server
		}
		time.Sleep(wait)
	}
}

func (j *shared) attempt(ctx context.Context, size int64, do func(context.Context, *pgx.Conn) error) error {
	limit := tryTimeout + time.Duration(size)*perByte
	c, err := j.acquire(ctx, limit)
	if err != nil {
		return err
	}
	defer c.Release()
	end := time.Now().Add(limit)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	begun, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	defer cancel()
	return confirmed(c.Conn(), func() error { return do(begun, c.Conn()) })
}

// overdue: ctx's deadline has passed.
func overdue(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && !time.Now().Before(end)
}

// acquire takes a connection, which may have to be made, within limit. The caller releases it.
func (j *shared) acquire(ctx context.Context, limit time.Duration) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return j.pool.Acquire(ctx)
}

// confirmed does a write, and fails where the server did not wait for its standby.
func confirmed(c *pgx.Conn, do func() error) error {
	marks := c.PgConn().CustomData()
	delete(marks, notConfirmed)
	err := do()
	if err == nil && marks[notConfirmed] != nil {
		return errNotConfirmed
	}
	return err
}

// read reads what is at hand: once more if the connection turns out to be dead.
func (j *shared) read(ctx context.Context, do func(ctx context.Context, c *pgx.Conn) error) error {
	return j.readFor(ctx, tryTimeout, do)
}

// readFor is read, an attempt of which may take limit; 0: as long as it takes, where
// only the connection's end tells that the server is gone.
func (j *shared) readFor(ctx context.Context, limit time.Duration, do func(ctx context.Context, c *pgx.Conn) error) error {
	if err := j.usable(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := j.tryRead(ctx, limit, do)
		if err == nil {
			return nil
		}
		if transient, _ := fate(err); !transient || try == 2 || ctx.Err() != nil {
			return j.explain(err)
		}
		j.pool.Reset()
	}
}

func (j *shared) tryRead(ctx context.Context, limit time.Duration, do func(ctx context.Context, c *pgx.Conn) error) error {
	c, err := j.acquire(ctx, tryTimeout)
	if err != nil {
		return err
	}
	defer c.Release()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return do(ctx, c.Conn())
}

// usable: it is open, or can be opened now, and the caller still wants it.
func (j *shared) usable(ctx context.Context) error {
	if j.closing.Load() {
		return journal.ErrClosed
	}
	if err := ctx.Err(); err != nil || j.opened.Load() {
		return err
	}
	return j.openLate(ctx)
}

func (j *shared) mayWrite(ctx context.Context) error {
	if err := j.usable(ctx); err != nil {
		return err
	}
	if j.readOnly {
		return fmt.Errorf("%w: %s; use a role with the right to write schema %s, on the primary", journal.ErrReadOnly, j.where, Schema)
	}
	return nil
}

// renew makes the schema again.
func (j *shared) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	err := j.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		_, err := migrate(ctx, c.Conn(), j.where)
		return err
	})
	if err == nil {
		j.options.Logger.Warn("the journal was removed while in use; a new one was begun", "journal", j.where)
	}
	return err
}

// fate says of a failed attempt whether another one may do better, and whether
// what it was to store may be stored all the same.
func fate(err error) (transient, maybe bool) {
	var answer *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.Is(err, errNotConfirmed), errors.Is(err, errCommit) && !errors.As(err, &answer):
		return true, true
	case errors.As(err, &connect):
		// A server that says no to a login says no again; one that starts up does not.
		return !errors.As(err, &answer) || transientState(answer.Code), false
	case errors.As(err, &answer):
		// An error that comes with the connection's end may follow a commit.
		return transientState(answer.Code), answer.Severity == "FATAL" || answer.Severity == "PANIC"
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, ErrNotDurable), errors.Is(err, journal.ErrDamaged):
		return false, false
	case isRefusal(err):
		return false, false
	}
	return true, !pgconn.SafeToRetry(err)
}

func transientState(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", // shut down, crashed, starting up
		"25006",          // no longer a primary
		"40001", "40P01", // somebody was in the way
		"53300": // too many connections
		return true
	}
	return code[:2] == "08"
}

// errCommit: the answer to a COMMIT was an error, or did not come.
var errCommit = errors.New("commit failed")

// inTransaction is pgx.BeginFunc, but that a COMMIT whose answer is lost is told
// from what came before it.
func inTransaction(ctx context.Context, c *pgx.Conn, do func(pgx.Tx) error) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback(ctx) // where it fails the connection is gone, and the transaction with it
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("%w: %w", errCommit, err)
	}
	return nil
}

// inTheWay: the server is well, and somebody else's transaction was faster.
func inTheWay(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code[:2] == "40"
}

// isMissing: the schema or a table is not there.
func isMissing(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == "42P01" || answer.Code == "3F000")
}

// isRefusal: the error is the journal's own word, not the server's.
func isRefusal(err error) bool {
	for _, is := range []error{journal.ErrExists, journal.ErrSettled, journal.ErrNotFound, journal.ErrAmbiguous, journal.ErrDecided, journal.ErrSpent, journal.ErrInDoubt} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

func isUnique(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "23505"
}
