package guard

import (
	"maps"
	"strings"
	"time"

	"github.com/rowback/rowback/journal"
)

// transaction is what one transaction has removed so far.
type transaction struct {
	keys     *journal.Keys
	removals removals
	marks    []savepoint
	xid      string
	server   journal.Server
	gid      string // of the PREPARE TRANSACTION that is about to end it
	// fetchable: something may be open, beside session.portals, that deletes when it is
	// fetched from; holding: a cursor WITH HOLD may be, which does so at COMMIT.
	fetchable, holding bool
	implicit           bool      // it ends at the next Sync
	isolated           bool      // fixed is known
	fixed              bool      // see fixes: no signature tells what a statement sets off, all is counted
	start              savepoint // nothing removed yet
	unused             int       // the exchange in which it was begun by readEarly, for what runs first in it
	// uses are the allowances it has tried to take rows of, by ID. Savepoints do
	// not take them back; see session.settleUses.
	uses     map[string]use
	counting counting // in windows that a fleet shares
	// earlier is what it removed that has an entry already; see session.vouch.
	earlier []journal.Table
	emptied map[uint32]bool // tables that it has truncated by a statement that says so
	// entry is its ID in the journal, once it is about to have one; replayed: windows
	// that were begun anew have counted that. Both belong to windows.
	entry    string
	replayed bool
}

// use is a transaction's part of an allowance, and under which name.
type use struct {
	name string
	of   journal.Allowance
}

// using is the name under which the transaction takes rows of an allowance.
func (t *transaction) using(a journal.Allowance, now time.Time) string {
	if t.uses == nil {
		t.uses = map[string]use{}
	}
	if _, ok := t.uses[a.ID]; !ok {
		t.uses[a.ID] = use{journal.NewID(now), a}
	}
	return t.uses[a.ID].name
}

// mine are the allowances that the transaction may take rows of: first those it has begun.
func (t *transaction) mine(live []journal.Allowance) []journal.Allowance {
	var out []journal.Allowance
	for _, u := range t.uses {
		out = append(out, u.of)
	}
	for _, a := range live {
		if _, begun := t.uses[a.ID]; !begun {
			out = append(out, a)
		}
	}
	return out
}

// savepoint is a state to go back to.
type savepoint struct {
	name     string
	removals removals
	keys     journal.Mark
	emptied  map[uint32]bool
}

func newTransaction(keys *journal.Keys, implicit bool) *transaction {
	t := &transaction{keys: keys, implicit: implicit}
	t.start = t.mark("")
	return t
}

func (t *transaction) mark(name string) savepoint {
	return savepoint{name: name, removals: t.removals.clone(), keys: t.keys.Mark(), emptied: maps.Clone(t.emptied)}
}

func (t *transaction) rewind(s savepoint) error {
	t.removals, t.emptied = s.removals.clone(), maps.Clone(s.emptied)
	return t.keys.Rewind(s.keys)
}

func (t *transaction) savepoint(name string) { t.marks = append(t.marks, t.mark(name)) }

// find is the savepoint that a name stands for. Where two names may be the same it is the
// one set last, behind which everything is taken back for sure. -1: none.
func (t *transaction) find(name string) int {
	for i := len(t.marks) - 1; i >= 0; i-- {
		if maySame(t.marks[i].name, name) {
			return i
		}
	}
	return -1
}

// maySame: names that are not ASCII are the client's, in whatever client_encoding it had
// then; the server compares them in its own, in which they may be cut sooner.
func maySame(a, b string) bool {
	known := func(name string) bool { return strings.IndexFunc(name, func(c rune) bool { return c >= 0x7f }) < 0 }
	if known(a) && known(b) {
		return a == b
	}
	const cut = maxName - 3 // a character has up to four bytes
	return !known(a) && !known(b) || len(a) >= cut && len(b) >= cut
}

func (t *transaction) release(name string) {
	if i := t.find(name); i >= 0 {
		t.marks = t.marks[:i]
	} else {
		t.marks = nil // set before the first removal: everything since goes with it
	}
}

// rollbackTo takes back what was removed since the savepoint. One that is not
// known was set before the transaction's first removal.
func (t *transaction) rollbackTo(name string) error {
	if i := t.find(name); i >= 0 {
		t.marks = t.marks[:i+1]
		return t.rewind(t.marks[i])
	}
	t.marks = nil
	return t.rewind(t.start)
}
