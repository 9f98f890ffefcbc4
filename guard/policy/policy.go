package policy

import (
	"strings"
	"time"
)

// Mode is what happens over a limit.
type Mode string

const (
	Block Mode = "block" // the statement fails with RB001, its transaction is doomed
	Hold  Mode = "hold"  // the statement waits for an operator's word, then goes through or fails as with Block
	Alert Mode = "alert" // it goes through, is journalled, and people are told
	Off   Mode = "off"   // these tables, or sessions, are not judged
)

// Severity orders modes: of several rules' verdicts, that of the highest counts.
func (m Mode) Severity() int {
	switch m {
	case Block:
		return 3
	case Hold:
		return 2
	case Alert:
		return 1
	}
	return 0
}

// Action is what happens to a removal that rowback cannot fully vouch for.
type Action string

const (
	Allow  Action = "allow"
	Refuse Action = "block"
)

// Capture is what the journal keeps of the rows that are removed.
type Capture string

const (
	CaptureKeys Capture = "keys" // their keys; the rows themselves must come from a backup
	CaptureRows Capture = "rows" // the whole rows as they were, too
)

// Unlimited as a limit: any number of rows.
const Unlimited int64 = -1

// Verb names a kind of statement that a rule may refuse whatever it would remove.
type Verb string

const (
	Delete     Verb = "delete"
	Truncate   Verb = "truncate"
	Drop       Verb = "drop"        // DROP of anything that holds rows
	DropColumn Verb = "drop-column" // ALTER TABLE … DROP COLUMN on a table with rows
	Detach     Verb = "detach"      // ALTER TABLE … DETACH PARTITION
	Merge      Verb = "merge"       // MERGE with a DELETE action
	Update     Verb = "update"
	Call       Verb = "call" // CALL and DO of what may delete
)

// Policy is everything that a proxy is told about who may remove what. A Policy
// in use is not changed, but replaced.
type Policy struct {
	Rules   []Rule // in order: the first that matches decides
	Default Rule   // what no rule matches; its Match is ignored
}

// Rule is a set of limits, and whom it is for. Limits count rows, cascades
// included; Unlimited lifts one.
type Rule struct {
	Name  string // for people; "default" in Policy.Default
	Match Match
	Mode  Mode

	Statement   int64    // rows that one statement may remove
	Transaction int64    // rows that one transaction may remove
	Windows     []Window // rows within a sliding time

	// Fraction of a table's rows that one statement may remove, 0 to 1; 0: no such limit.
	// It does not apply to tables of fewer than FractionMin rows.
	Fraction    float64
	FractionMin int64

	WhereRequired bool   // refuse DELETE (and UPDATE, where that counts) without a condition on a column
	Refuse        []Verb // refuse these whatever they remove

	// Uncaptured decides about removals within the limits whose keys could not be captured.
	Uncaptured Action
	// Uncountable decides about what cannot be counted before it commits.
	Uncountable Action

	// Capture: "" is CaptureKeys.
	Capture Capture
	// ExcludeColumns are globs of columns ("column", "table.column" or
	// "schema.table.column") that CaptureRows leaves out. Those of a key are kept as keys all the same.
	ExcludeColumns []string

	Updates    bool     // the limits hold for rows changed by UPDATE, too
	SoftDelete []string // columns: an UPDATE that sets one (to anything but NULL or false) counts as a DELETE
	Temporary  bool     // temporary tables are judged, too

	HoldFor time.Duration // Mode Hold: how long a statement waits; then it is refused
	// CommentAllowances: a leading /* rowback:allow=N reason=… */ lifts the row
	// limits up to N rows. Only with Match.Users.
	CommentAllowances bool
	// CommentMax bounds such an N; 0: unbounded.
	CommentMax int64
}

// Window is a sliding time window: at most Rows rows within Per, counted apart
// for each combination of the By dimensions. No By: over everything that the rule matches.
type Window struct {
	Rows int64
	Per  time.Duration
	By   []Dimension
}

// Dimension is what a window counts apart by.
type Dimension string

const (
	ByDatabase    Dimension = "database"
	ByTable       Dimension = "table"
	ByUser        Dimension = "user"
	ByApplication Dimension = "application"
	ByNetwork     Dimension = "network" // the client's address: /32, or /64 in IPv6
)

// Refuses reports whether the rule refuses a kind of statement.
func (r *Rule) Refuses(v Verb) bool {
	for _, x := range r.Refuse {
		if x == v {
			return true
		}
	}
	return false
}

// Excludes reports whether CaptureRows leaves a column out.
func (r *Rule) Excludes(schema, table, column string) bool {
	for _, g := range r.ExcludeColumns {
		if glob(g, column) || strings.Contains(g, ".") && (glob(g, table+"."+column) || glob(g, schema+"."+table+"."+column)) {
			return true
		}
	}
	return false
}

// Uniform is a policy of one rule for everything: mode, and limit for a
// statement and a transaction.
func Uniform(m Mode, limit int64) Policy {
	return Policy{Default: Rule{Name: DefaultName, Mode: m, Statement: limit, Transaction: limit, Uncaptured: Allow, Uncountable: Refuse, Capture: CaptureKeys, HoldFor: DefaultHold}}
}

// DefaultHold is how long a statement is held where nothing else is said.
const DefaultHold = 10 * time.Minute

// DefaultName is the name of Policy.Default.
const DefaultName = "default"
