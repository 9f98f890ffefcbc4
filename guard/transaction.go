package guard

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/guard/policy"
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

// removals is the part of a transaction that a savepoint can take back.
type removals struct {
	tables     []journal.Table
	statements []journal.Statement
	text       int // bytes of their texts
	rows       int64
	over, rule string // why it alerted, and by which rule; "" while within the limits
	// pardoned is how many rows went through by somebody's leave.
	pardoned map[pardonKey]int64
	allowed  []journal.Allowed // whose
	judged   bool              // by some rule
	as       string            // what the session was called then, first
	// windowed is what counts in windows, by their keys, under the rules that each
	// statement was judged by; policy is what these are of.
	windowed map[string]windowed
	policy   *policy.Policy
}

// pardonKey is a rule, by its name, and a table.
type pardonKey struct{ rule, schema, table string }

// pardonedOf is how many rows of tables do not count for a rule any more.
func (r removals) pardonedOf(rule *policy.Rule, tables []journal.Table) int64 {
	var n int64
	seen := map[pardonKey]bool{}
	for _, t := range tables {
		if k := (pardonKey{rule.Name, t.Schema, t.Name}); !seen[k] {
			seen[k] = true
			n += r.pardoned[k]
		}
	}
	return n
}

// with is what counts in windows once rows that count there have gone as well.
func (r *removals) with(rows []windowed) []windowed {
	for i := range rows {
		rows[i].rows += r.windowed[rows[i].key].rows
	}
	return rows
}

// count notes what counts in windows.
func (r *removals) count(rows []windowed) {
	for _, c := range rows {
		if r.windowed == nil {
			r.windowed = map[string]windowed{}
		}
		r.windowed[c.key] = c
	}
}

// savepoint is a state to go back to.
type savepoint struct {
	name     string
	removals removals
	keys     journal.Mark
}

func (r removals) clone() removals {
	r.tables = append([]journal.Table(nil), r.tables...)
	r.statements = append([]journal.Statement(nil), r.statements...)
	r.pardoned, r.allowed, r.windowed = maps.Clone(r.pardoned), slices.Clone(r.allowed), maps.Clone(r.windowed)
	return r
}

func newTransaction(keys *journal.Keys, implicit bool) *transaction {
	t := &transaction{keys: keys, implicit: implicit}
	t.start = t.mark("")
	return t
}

func (t *transaction) mark(name string) savepoint {
	return savepoint{name: name, removals: t.removals.clone(), keys: t.keys.Mark()}
}

func (t *transaction) rewind(s savepoint) error {
	t.removals = s.removals.clone()
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

// table returns the index of a table's share, made on first use.
func (r *removals) table(want journal.Table) int {
	for i := range r.tables {
		t := &r.tables[i]
		// Rows with images of other columns (the table was altered between) are apart.
		if t.OID == want.OID && t.Via == want.Via && t.Schema == want.Schema && t.Name == want.Name && slices.Equal(t.Columns, want.Columns) &&
			slices.Equal(t.Key, want.Key) && slices.Equal(t.Old, want.Old) { // and those of another link
			for _, c := range want.Soft {
				if !slices.Contains(t.Soft, c) {
					t.Soft = slices.Concat(t.Soft, []string{c})
				}
			}
			return i
		}
	}
	r.tables = append(r.tables, want)
	return len(r.tables) - 1
}

const (
	maxSQL        = 64 << 10 // bounds a statement's text in an entry, in bytes
	maxStatements = 1000     // bounds the statements of an entry
	maxText       = 4 << 20  // bounds their texts together
)

// furtherStatements stands for those beyond the bounds.
const furtherStatements = "(further statements)"

// add notes a statement. Repetitions of one text are added up, so that a loop
// of single-row deletes stays one line.
func (r *removals) add(sql, tag string) {
	sql = strings.TrimSpace(sql)
	if len(sql) > maxSQL {
		sql = strings.ToValidUTF8(sql[:maxSQL], "") + "…"
	}
	sql = strings.ToValidUTF8(sql, "\uFFFD") // a client's encoding may be another
	if n := len(r.statements) - 1; n >= 0 && r.statements[n].SQL == sql {
		a, ok := deletedBy(r.statements[n].Tag)
		if b, also := deletedBy(tag); ok && also {
			r.statements[n].Tag = fmt.Sprintf("DELETE %d", a+b)
			return
		}
	}
	if n := len(r.statements) - 1; n >= 0 && (n+1 >= maxStatements || r.text+len(sql) > maxText) && sql != furtherStatements {
		if r.statements[n].SQL != furtherStatements {
			r.statements = append(r.statements, journal.Statement{SQL: furtherStatements, Tag: "DELETE 0"})
		}
		if _, ok := deletedBy(tag); ok {
			r.add(furtherStatements, tag)
		}
		return
	}
	r.text += len(sql)
	r.statements = append(r.statements, journal.Statement{SQL: sql, Tag: tag})
}

// deletedBy is the number in the command tag of a DELETE.
func deletedBy(tag string) (n int64, ok bool) {
	text, ok := strings.CutPrefix(tag, "DELETE ")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}
