package journal

import (
	"errors"
	"time"
)

// ErrDecided: a hold has been answered already.
var ErrDecided = errors.New("this hold has been decided already")

// Hold is a statement that waits for an operator's word.
type Hold struct {
	ID          string    `json:"id"`
	Time        time.Time `json:"time"`
	Expires     time.Time `json:"expires"` // refused then
	Database    string    `json:"database"`
	User        string    `json:"user"`
	Application string    `json:"application"`
	Client      string    `json:"client"`
	Proxy       string    `json:"proxy,omitempty"`
	SQL         string    `json:"sql"`
	What        string    `json:"what"`                // why it is held, for people, with the numbers by table
	Rows        int64     `json:"rows"`                // how many it removes; with AtLeast, or more
	AtLeast     bool      `json:"at_least"`            // held before it ran: counted up to just over the limit
	Uncounted   bool      `json:"uncounted,omitempty"` // held for its kind; how many rows it removes, nobody knows yet
	Rule        string    `json:"rule,omitempty"`      // the policy's rule
	// CancelKey names the session to a proxy that gets its client's cancel request: a
	// digest of the key. "" if there is none.
	CancelKey string `json:"cancel_key,omitempty"`

	State   HoldState `json:"state"`
	By      string    `json:"by,omitempty"` // who decided
	Reason  string    `json:"reason,omitempty"`
	Decided time.Time `json:"decided,omitzero"`
}

// HoldState is how far a hold has come.
type HoldState string

const (
	Waiting HoldState = "waiting"
	Granted HoldState = "allowed"
	Denied  HoldState = "denied"
	Expired HoldState = "expired" // nobody answered in time
	Left    HoldState = "left"    // the client gave up, or its proxy ended
)

// StateAt is State, but for one that expired without a word from its proxy,
// which has ended: Expired.
func (h *Hold) StateAt(now time.Time) HoldState {
	if h.State == Waiting && !now.Before(h.Expires) {
		return Expired
	}
	return h.State
}
