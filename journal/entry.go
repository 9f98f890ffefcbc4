package journal

import "time"

// Outcome is how the transaction of an entry ended.
type Outcome string

const (
	Committed  Outcome = "committed"
	RolledBack Outcome = "rolled_back"
	Blocked    Outcome = "blocked"  // rowback refused it; nothing was removed
	InDoubt    Outcome = "in_doubt" // durable, the commit's answer not yet seen
)

// Kind says what an entry is evidence of.
type Kind string

const (
	Deletion Kind = "deletion" // a client's transaction removed rows, or was stopped
	Restore  Kind = "restore"  // rowback restore put rows back; Keys are the rows inserted
)

// Via is how a row came to be removed.
type Via string

const (
	Direct   Via = "direct"   // the statement's own target
	Cascade  Via = "cascade"  // ON DELETE CASCADE, any depth
	SetNull  Via = "set_null" // ON DELETE SET NULL: the row stays, its link was cut
	SetDef   Via = "set_default"
	Truncate Via = "truncate"
	Drop     Via = "drop"
	Function Via = "function" // counted by the server, not seen in the statement's text
	// The row is still there. A soft delete counts as removed, an update does not.
	SoftDelete Via = "soft_delete" // UPDATE of a column that the policy takes for a deletion
	Update     Via = "update"      // UPDATE, where the policy limits it
)

// Entry is one transaction's evidence. The JSON form is the outside contract.
type Entry struct {
	ID          string      `json:"id"` // 26 characters, sorts by time
	Time        time.Time   `json:"time"`
	Kind        Kind        `json:"kind"`
	Database    string      `json:"database"`
	User        string      `json:"user"`
	Application string      `json:"application"`
	Client      string      `json:"client"` // host:port, or "local" for a unix socket
	XID         string      `json:"xid"`    // 64-bit transaction id, decimal; "" if none was assigned
	Outcome     Outcome     `json:"outcome"`
	Statements  []Statement `json:"statements"`
	Rows        int64       `json:"rows"` // rows removed, cascades included; rows cut loose (set_null) are not
	Tables      []Table     `json:"tables"`
	Alert       string      `json:"alert,omitempty"`
	Server      Server      `json:"server,omitzero"`
	Proxy       string      `json:"proxy,omitempty"`            // the proxy instance that wrote it
	Restores    []string    `json:"restores,omitempty"`         // Kind Restore: the entries restored from; Kind Deletion: the restores that it took back
	Batch       string      `json:"batch,omitempty"`            // Kind Restore: one of several transactions of one restore, named by the first one's ID
	Rule        string      `json:"rule,omitempty"`             // the policy's rule that blocked, held or alerted; "" for none
	Allowed     []Allowed   `json:"allowed,omitempty"`          // by whose leave it went over a limit
	Prepared    string      `json:"prepared,omitempty"`         // the name that PREPARE TRANSACTION was to give it; "" if it was not to be prepared
	Dropped     string      `json:"dropped_database,omitempty"` // the database that it was to drop as a whole; "" for none
}

// Allowed is one leave under which a transaction went over a limit.
type Allowed struct {
	By     string `json:"by"`           // who granted or answered; for a comment the session's user
	How    string `json:"how"`          // "allowance", "hold" or "comment"
	ID     string `json:"id,omitempty"` // of the allowance or hold
	Rows   int64  `json:"rows"`         // removed under it by this transaction
	Reason string `json:"reason,omitempty"`
}

// Server identifies the run of PostgreSQL that an XID belongs to: an XID is
// issued again after a server crash.
type Server struct {
	SystemID string    `json:"system_id,omitempty"` // pg_control_system().system_identifier
	Started  time.Time `json:"started,omitzero"`    // pg_postmaster_start_time()
	// Timeline in whose history the XID is for good, because its transaction was seen
	// prepared there: from then on a crash does not lose it. 0: it was not seen so.
	Timeline uint32 `json:"timeline,omitempty"`
}

// Statement is one deleting statement of the transaction.
type Statement struct {
	SQL string `json:"sql"`
	Tag string `json:"tag"` // CommandComplete tag, "" if it was blocked
}

// Table is one table's share of an entry.
type Table struct {
	Schema       string   `json:"schema"`
	Name         string   `json:"table"`
	OID          uint32   `json:"oid"`
	Rows         int64    `json:"rows"`
	Via          Via      `json:"via"`
	KeysCaptured bool     `json:"keys_captured"`
	Why          string   `json:"why,omitempty"`          // why keys were not captured
	Key          []Column `json:"key_columns,omitempty"`  // identity columns, in order
	RowsCaptured bool     `json:"rows_captured"`          // whole: there is an image of every row
	WhyNoRows    string   `json:"why_no_rows,omitempty"`  // why rows were not captured where the policy asks for it
	Old          []Column `json:"old_columns,omitempty"`  // Via SetNull/SetDef: the link's columns, whose old values follow the key
	Soft         []string `json:"soft_columns,omitempty"` // Via SoftDelete: the columns that marked the rows
	Set          []string `json:"set_columns,omitempty"`  // Via SoftDelete: the other columns that the same UPDATE set
	// Columns of the images, in order, if RowsCaptured. Generated columns are not kept.
	Columns  []ImageColumn `json:"row_columns,omitempty"`
	Excluded []string      `json:"excluded_columns,omitempty"` // those that the policy keeps out of the images
}

// ImageColumn is a column of the images of a table's rows.
type ImageColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`           // as Column's
	Text bool   `json:"text,omitempty"` // kept as text, not in its type's binary form
	// Shape is what a composite type was made of, as catalog.Column's: its values go by
	// place. "" of other types, and in entries of before it was kept.
	Shape string `json:"shape,omitempty"`
}

// Column names a column and its type as PostgreSQL prints it (format_type).
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Row is one captured key: the index of its table in Entry.Tables, and the
// text values of Table.Key followed by those of Table.Old, in UTF-8 and in a
// form that PostgreSQL casts back whatever the session's DateStyle or
// bytea_output. A nil value is NULL.
type Row struct {
	Table  int
	Values []*string
}

// Removed reports whether the rows are gone (or count as gone): not those whose
// link alone was cut, nor those that were merely changed.
func (t Table) Removed() bool { return t.Via != SetNull && t.Via != SetDef && t.Via != Update }
