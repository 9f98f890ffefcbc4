package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/rowback/rowback/journal"
)

// Kind is what a notice is about.
type Kind string

const (
	Blocked    Kind = "blocked"    // a statement was refused
	Alert      Kind = "alert"      // rows over a limit are gone
	Held       Kind = "held"       // a statement waits for an operator's word
	Uncaptured Kind = "uncaptured" // rows within the limits are gone, and cannot be restored by key
	Test       Kind = "test"
)

// Kinds are all that a sink may be asked to tell; a test is always told.
var Kinds = []Kind{Blocked, Alert, Held, Uncaptured}

// Notice is one thing to tell. Exactly one of Entry and Hold is set, neither in a test.
type Notice struct {
	Kind  Kind
	Time  time.Time
	Entry *journal.Entry
	Hold  *journal.Hold
	// Denied: who denied it: the entry is of a statement that was held.
	Denied string

	// Notices alike that were not told apart since the last, and their rows.
	More     int
	MoreRows int64

	tried     time.Time // first
	id, proxy string    // of a test
}

// ofEntry is the notice about an entry, which may go on to be changed by its owner.
func ofEntry(e *journal.Entry) Notice {
	c := *e
	n := Notice{Kind: Alert, Time: e.Time, Entry: &c}
	switch {
	case e.Outcome == journal.Blocked:
		n.Kind = Blocked
	case e.Alert == "":
		n.Kind = Uncaptured
	}
	return n
}

func ofHold(h *journal.Hold) Notice {
	c := *h
	return Notice{Kind: Held, Time: h.Time, Hold: &c}
}

// ID is the reference that people are given.
func (n *Notice) ID() string {
	switch {
	case n.Entry != nil:
		return n.Entry.ID
	case n.Hold != nil:
		return n.Hold.ID
	}
	return n.id
}

// Rows that were removed, or would be.
func (n *Notice) Rows() int64 {
	switch {
	case n.Entry != nil:
		return n.Entry.Rows
	case n.Hold != nil:
		return n.Hold.Rows
	}
	return 0
}

// alike is the same for notices that need not be told apart.
func (n *Notice) alike() string {
	e := n.Entry
	names := make([]string, 0, len(e.Tables))
	for _, t := range e.Tables {
		names = append(names, name(t))
	}
	slices.Sort(names)
	return strings.Join(append([]string{string(n.Kind), string(e.Outcome), n.Denied, e.Database, e.User, e.Rule}, slices.Compact(names)...), "\x00")
}

// severity in the words of PagerDuty.
func (n *Notice) severity() string {
	switch n.Kind {
	case Alert, Held:
		return "critical"
	case Test:
		return "info"
	}
	return "warning"
}

// counted reports whether a table's rows are among an entry's.
func counted(t journal.Table) bool {
	return t.Via != journal.SetNull && t.Via != journal.SetDef && t.Rows != 0
}

func name(t journal.Table) string {
	if t.Schema == "public" || t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}
