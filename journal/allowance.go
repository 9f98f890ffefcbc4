package journal

import (
	"errors"
	"fmt"
	"time"
)

// ErrSpent: the allowance has expired, was revoked or used up, or has fewer rows left.
var ErrSpent = errors.New("allowance has not enough left")

// TooFewError is an ErrSpent: the allowance is live, and has fewer rows left than a
// transaction needs.
type TooFewError struct {
	ID                 string
	Left, Rows, Needed int64
}

func (e *TooFewError) Error() string {
	return fmt.Sprintf("%v: %s has %d of %d rows left, and %d are needed", ErrSpent, e.ID, e.Left, e.Rows, e.Needed)
}

func (e *TooFewError) Unwrap() error { return ErrSpent }

// Allowance lets an intended mass delete go over the limits.
type Allowance struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"` // of the grant
	Expires time.Time `json:"expires"`
	Rows    int64     `json:"rows"` // that all transactions under it may remove together, cascades included
	Once    bool      `json:"once"` // for one transaction only

	// Whom it is for; "" or empty: any.
	Database    string   `json:"database,omitempty"`
	User        string   `json:"user,omitempty"`
	Application string   `json:"application,omitempty"`
	Tables      []string `json:"tables,omitempty"` // that the statement itself deletes from; globs of name or schema.name

	Reason    string    `json:"reason,omitempty"`
	By        string    `json:"by"` // who granted it
	Revoked   time.Time `json:"revoked,omitzero"`
	RevokedBy string    `json:"revoked_by,omitempty"`

	Uses []Use `json:"uses"` // by transactions that have not rolled back
}

// Use is one transaction's part of an allowance.
type Use struct {
	ID   string    `json:"id"` // the transaction's own, given by the proxy
	Time time.Time `json:"time"`
	Rows int64     `json:"rows"`
}

// Left is how many rows an allowance still allows at a time, for a transaction
// that has no use of it yet.
func (a *Allowance) Left(now time.Time) int64 {
	if a.State(now) != "live" {
		return 0
	}
	return a.Rows - a.used()
}

// State is how far an allowance has come at a time: "live", or why it is not:
// "revoked", "used up" or "expired", in this order.
func (a *Allowance) State(now time.Time) string {
	switch {
	case !a.Revoked.IsZero():
		return "revoked"
	case a.used() >= a.Rows || a.Once && len(a.Uses) > 0:
		return "used up"
	case !now.Before(a.Expires):
		return "expired"
	}
	return "live"
}

func (a *Allowance) used() (rows int64) {
	for _, u := range a.Uses {
		rows += u.Rows
	}
	return rows
}
