package sqlparse

// Capture says which rows a DELETE removes besides its target's, and how to
// name each. Steps[0] is the target itself; every other step hangs on an
// earlier one (or, with Self, also on itself).
type Capture struct {
	Steps []Step
	// HexText: key expressions yield hex of UTF-8 instead of text, for
	// sessions whose client_encoding is not UTF8.
	HexText bool
}

// Step is one table reached by the deletion.
type Step struct {
	Schema, Table string
	Parent        int      // index of the step whose rows pull these along; -1 for Steps[0]
	ParentColumns []string // referenced columns in the parent's table
	Columns       []string // referencing columns here, same order
	Self          bool     // cascades into itself through SelfParent/SelfColumns
	SelfParent    []string // referenced columns of the self-reference
	SelfColumns   []string // referencing columns of the self-reference
	Key           []KeyColumn
	Old           []KeyColumn // SET NULL / SET DEFAULT: link columns whose old values are wanted
	NextColumns   []string    // further columns that later steps join on
}

// KeyColumn is an identity column and its base type name ("int8", "timestamptz", …),
// which decides how it is printed session-independently.
type KeyColumn struct{ Name, Type string }

// Captured is the rewritten statement.
//
// Its result columns are the client's own (ClientColumns many, unknown to this
// package: everything before the last Width columns), then Width text columns:
// the step index, the row's tableoid, then the step's Key and Old values,
// padded with NULL. With Wrapped, rows of other steps have NULL for all client
// columns and the command tag is SELECT n; otherwise the tag is still DELETE n.
type Captured struct {
	SQL     string
	Width   int
	Wrapped bool
	// Shift: how many characters stand before the client's text in SQL; subtract
	// it from error positions.
	Shift int
}
