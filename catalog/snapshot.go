package catalog

import "context"

// Querier runs one SQL query without parameters and returns every value as
// text, in the session's client_encoding, nil for NULL. standard_conforming_strings
// may be on or off: catalog's queries have no backslashes.
type Querier interface {
	Query(ctx context.Context, sql string) ([][]*string, error)
}

// Snapshot is a database's catalog at one moment. Immutable after Load.
type Snapshot struct {
	Database    string
	Version     int // of the server, as server_version_num has it
	Fingerprint string
	Tables      map[uint32]*Table // by OID: ordinary, partitioned, foreign tables, views, materialized views
	Reach       Reach

	byName map[string][]*Table // by Name, for Lookup
	// What may delete when used, and the part of it that no counter shows.
	taint map[node]Why
	// functions there are, by OID; see Turned.
	functions map[uint32]bool
}

// Table is one relation.
type Table struct {
	OID        uint32
	Schema     string
	Name       string
	Kind       byte // pg_class.relkind: r p f v m
	Temporary  bool
	Columns    []Column // by attnum, dropped ones left out
	Key        []string // identity columns: the primary key, else a unique index on NOT NULL columns; nil if none
	Partition  bool     // is a partition of Parent
	Parent     *Table   // partition or inheritance parent (first)
	Children   []*Table // partitions or inheritance children
	References []*ForeignKey
	// ReferencedBy holds the foreign keys that point at this table (for a
	// partition also those that point at its root).
	ReferencedBy []*ForeignKey
	// Bases holds the relations that a view's query reads, in its own text.
	Bases       []*Table
	Updatable   bool // a view on which DELETE works without trigger or rule: it deletes from its one base table
	RowSecurity bool
	// DeleteRules / DeleteTriggers: this table rewrites or reacts to DELETE.
	DeleteRules bool
	InsteadOf   bool // INSTEAD OF DELETE trigger (views)
	// UnsafeTriggers: names of enabled triggers fired by DELETE (and, on a table
	// with a foreign key ON DELETE SET NULL or SET DEFAULT, by UPDATE) whose
	// function may delete.
	UnsafeTriggers []string
	Triggers       []Trigger
	EstimatedRows  float64 // pg_class.reltuples, -1 unknown
	// File is pg_class.relfilenode, 0 where the transaction that read it had itself written
	// that. A later one may be of another's TRUNCATE or CLUSTER: the Fingerprint leaves it out.
	File uint32

	signature signature
}

// Column is one live column.
type Column struct {
	Name string
	Type string // format_type with typmod, for people and for casts
	// BaseType is the typname of the type, domains resolved: "int8", "timestamptz"; of an
	// array "_" and that of the elements. Types that are not the server's own have their
	// schema before it ("public.citext"), but for composite ones ("record") and ranges
	// and multiranges ("anyrange").
	BaseType  string
	NotNull   bool // takes no NULL
	Unproved  bool // NOT NULL NOT VALID (PG 18): rows from before it may hold NULLs
	Generated bool // GENERATED ALWAYS AS … STORED (or virtual)
	Identity  byte // 'a' always, 'd' by default, 0 none
	// Textual: the type has no binary form, or holds one that has none: only its text says what it is.
	Textual bool
	// Shape is what a composite type, or an array, domain or range of one, is made of: its
	// attributes' places, names and types, and those within them. "" of other types.
	Shape    string
	Sequence string // quoted schema.name of the sequence it owns (serial, identity), "" if none
}

// Trigger is one non-internal trigger.
type Trigger struct {
	Name     string
	Enabled  byte   // O origin, D disabled, R replica, A always
	Event    string // e.g. "BEFORE DELETE OR INSERT"
	Function string // schema.name
}

// Action is a foreign key's ON DELETE action, as in pg_constraint.confdeltype.
type Action byte

const (
	NoAction   Action = 'a'
	Restrict   Action = 'r'
	Cascade    Action = 'c'
	SetNull    Action = 'n'
	SetDefault Action = 'd'
)

// ForeignKey is one foreign key constraint.
type ForeignKey struct {
	Name          string
	Child         *Table
	Columns       []string
	Parent        *Table
	ParentColumns []string
	OnDelete      Action
	OnUpdate      Action
	OnDeleteSet   []string // SET NULL (columns), PG 15+; nil: all Columns
	Deferrable    bool
	Deferred      bool // INITIALLY DEFERRED
	Validated     bool
	MatchFull     bool
	// Period: the last column is a range that the ranges of several parents may
	// make up (PG 18). Compare has its operator as &&.
	Period bool
	// Compare says how pairs of columns are compared; nil: all by pg_catalog's
	// "=", in the collation that both columns have.
	Compare []Comparison
}
