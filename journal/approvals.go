package journal

import (
	"context"
	"time"
)

// Approvals is the part of a Journal through which people let deletions go over
// the limits: allowances, granted ahead, and holds, answered while a statement
// waits. Whoever grants or answers is another process than the proxy that asks.
//
// Everything is durable when the method returns, but for Unuse. IDs and times
// are the caller's (see NewID). Where "unique prefix" is said, the errors are
// ErrNotFound and ErrAmbiguous.
type Approvals interface {
	// Grant stores an allowance. Its Uses and Revoked are not looked at. ErrExists.
	Grant(ctx context.Context, a *Allowance) error
	// Allowances returns the allowances, newest first, with their uses, oldest
	// first. With a live time, only those that something is Left of at that time.
	Allowances(ctx context.Context, live time.Time) ([]Allowance, error)
	// Revoke ends an allowance (ID or unique prefix) and returns it; what has been
	// used stays. Of one that is revoked already the first revocation stays.
	Revoke(ctx context.Context, id, by string, at time.Time) (*Allowance, error)
	// Use sets, in one transaction, how many rows the transaction known as use
	// removes under the allowance with this whole ID, in place of what it had
	// before. ErrSpent, and what it had stays: the allowance has expired by then or
	// is revoked; it is for one transaction and another one has a use of it; or
	// rows and the other uses together are more than it allows. ErrNotFound.
	Use(ctx context.Context, id, use string, rows int64, at time.Time) error
	// Unuse takes a use back: its transaction was rolled back. Without such a use
	// it does nothing. If the machine loses power soon after, the use may be there again.
	Unuse(ctx context.Context, id, use string) error

	// Hold stores a statement that begins to wait. ErrExists.
	Hold(ctx context.Context, h *Hold) error
	// Holds returns the holds in this state ("": all), newest first. One whose
	// proxy died stays Waiting, past its Expires.
	Holds(ctx context.Context, state HoldState) ([]Hold, error)
	// HoldByID returns the one hold with this ID or unique prefix. With a whole ID
	// it is cheap enough to be asked several times a second.
	HoldByID(ctx context.Context, id string) (*Hold, error)
	// Decide ends a hold's waiting (ID or unique prefix) and returns it. The first
	// decision stands: after it, the error is ErrDecided and the hold is returned as
	// it is. An answer (Granted, Denied) that comes when it has expired makes it
	// Expired, and gets ErrDecided likewise.
	Decide(ctx context.Context, id string, state HoldState, by, reason string, at time.Time) (*Hold, error)
}
