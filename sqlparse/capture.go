package sqlparse

import (
	"errors"
	"strconv"
	"strings"
)

// Capture says which rows a DELETE removes besides its target's, and how to
// name each. An UPDATE has no other step than its target. Steps[0] is the target itself; every other step is one foreign
// key that pulls rows along, or cuts their link, when rows of an earlier step
// go. Several steps may reach the same table: its rows come out once. A foreign
// key may be given once for each way that leads to it, or once at all.
type Capture struct {
	Steps []Step
	// ClientColumns is how many columns the statement returns by itself; needed
	// only if it has RETURNING and the captured form is Wrapped. Describe the
	// statement first.
	ClientColumns int
	// HexText: key expressions yield hex of UTF-8 instead of text, for
	// sessions whose client_encoding is not UTF8.
	HexText bool
	// Soft: UPDATE: columns that mark a row as deleted: bool ones by being true,
	// others by not being NULL. With any there is one more value for each row,
	// 't' or 'f' (never hex): whether it is marked now, by one of them at least.
	// Whether it was before is not known.
	Soft []KeyColumn
}

// Step is one table reached by the deletion. For a partition name the root if
// foreign keys lead back to it: rows are told apart by table and key.
type Step struct {
	Schema, Table string
	// Only: rows of inheritance children are not reached. PostgreSQL's cascades
	// do not reach them; partitions they do, so leave it off for partitioned
	// tables. In Steps[0] it is about the rows that foreign keys pull along.
	Only          bool
	Parent        int       // index of the step whose rows pull these along; -1 for Steps[0]
	ParentColumns []string  // referenced columns in the parent's table
	Columns       []string  // referencing columns here, same order
	Compare       []Compare // how each pair is compared; nil: pg_catalog's "="
	Of            []uint32  // the parent step's rows that this is about, by tableoid; nil: all
	Self          bool      // cascades into itself through SelfParent/SelfColumns
	SelfParent    []string  // referenced columns of the self-reference
	SelfColumns   []string  // referencing columns of the self-reference
	SelfCompare   []Compare
	SelfOf        []uint32
	Key           []KeyColumn
	Old           []KeyColumn   // SET NULL / SET DEFAULT: link columns whose old values are wanted
	Image         []ImageColumn // of rows that go: their columns, to be returned whole; nil: not wanted
	Lock          bool          // rows that foreign keys pull along are locked for their images, which are of the versions that go then; see image.go
	NextColumns   []string      // further columns to carry; those that later steps join on are found without
}

// Compare is how a foreign key compares a pair of columns (referenced,
// referencing). The zero value is right for built-in types.
type Compare struct {
	Operator  string // with its schema, as SQL: `pg_catalog.=`, `"public".=` (pg_constraint.conpfeqop)
	Collation string // the referenced column's, as SQL, where the two columns' collations differ
}

// KeyColumn is an identity column and its base type name ("int8", "timestamptz", …),
// which decides how it is printed session-independently.
type KeyColumn struct{ Name, Type string }

// Captured is the rewritten statement.
//
// Its result columns are the client's own (ClientColumns many, unknown to this
// package: everything before the last Width columns), then Width text columns
// (without RETURNING, and with no Image, ask for all in text format: some have their own types then):
// the step index, the row's tableoid, then the step's Key and Old values,
// padded with NULL; with Image the row's image (see ImageExpr; NULL where its step has
// none, or Lock and the row has changed) comes last, or with Soft the mark. With Bare there is no step index. After an UPDATE all are the new
// values, and the tableoid is of the partition where the row is now. With
// Wrapped, rows of other steps have NULL for all client columns and the command
// tag is SELECT n; otherwise the tag is still DELETE n (UPDATE n, never Wrapped).
//
// A step's index is its position in Capture.Steps; a table's cascaded rows all
// come under the first step that reaches it. A row whose link is cut comes
// under each foreign key that cuts it, unless it is removed as well.
type Captured struct {
	SQL     string
	Width   int
	Wrapped bool
	// Bare: there is one step, whose index is left out.
	Bare bool
	// Image: the last column holds images. Best asked for in binary format, as the
	// others may be: a text's two formats are the same.
	Image bool
	// SelfStep is the index under which rows of the target's table come that
	// the statement does not name but their own table's foreign key pulls
	// along. Their values are those of Steps[0]. They are not the client's.
	SelfStep int
	// Shift: how many characters stand before the client's text in SQL; subtract
	// it from error positions.
	Shift int
}

var (
	// ErrNotDelete: only a statement that Parse calls Delete, or one with Update,
	// can be captured.
	ErrNotDelete = errors.New("not a DELETE or UPDATE that can be rewritten")
	// ErrShape: what the foreign keys reach cannot be counted beforehand (see Probe).
	ErrShape = errors.New("foreign keys form a cycle through several tables")
	// ErrColumns: how many columns RETURNING yields must be known.
	ErrColumns = errors.New("the number of columns that RETURNING yields is not known: describe the statement first")
	// ErrKeyType: no text form of this type is the same in every session, or its
	// rows cannot be told apart in a recursion.
	ErrKeyType = errors.New("key type cannot be captured")
	// ErrStep: the steps contradict each other; a fault of the caller.
	ErrStep = errors.New("malformed capture steps")
)

// Capture rewrites a DELETE so that it also returns the key of every row it
// removes, directly or by cascade, and an UPDATE so that it returns that of
// every row it changes. The client's text stands in the result unchanged. What the server removes beyond the steps (triggers, rows that
// other transactions add meanwhile) is not in there: compare with its counters.
func (s Statement) Capture(c Capture) (Captured, error) {
	if s.Verb != Delete && s.Update == nil || len(s.qualifier) == 0 {
		return Captured{}, ErrNotDelete
	}
	if s.Update != nil {
		return s.captureUpdate(c)
	}
	g, err := newGraph(c.Steps)
	if err != nil {
		return Captured{}, err
	}
	w := writer{Capture: c, graph: g, width: 2}
	for _, step := range c.Steps {
		w.width = max(w.width, 2+len(step.Key)+len(step.Old))
	}
	out := Captured{Width: w.width, SelfStep: len(c.Steps), Image: w.images()}
	if out.Image {
		out.Width++
	}
	if g.single() {
		qualified := func(column string) string { return s.qualified(c, column) }
		values, err := w.values(0, c.Steps[0], qualified)
		if err != nil {
			return Captured{}, err
		}
		if !s.Returning && !out.Image && !c.HexText { // all in text format: what needs no cast is cheaper without
			values[1] = qualified("tableoid")
			for i, k := range c.Steps[0].Key {
				if printsAlike[k.Type] {
					values[2+i] = qualified(k.Name)
				}
			}
			out.Bare, values = true, values[1:]
			out.Width--
		}
		if out.Image {
			values = append(values, imageExpr(c.Steps[0].Image, c.HexText, func(column string) string { return s.qualified(c, column) }))
		}
		out.SQL = s.returning(values)
		return out, nil
	}
	if s.Returning != (c.ClientColumns > 0) {
		return Captured{}, ErrColumns
	}
	out.Wrapped = true
	out.SQL, out.Shift, err = w.wrap(s)
	return out, err
}

// returning is the client's text with further columns to return. The line
// break ends a comment that the text may end with.
func (s Statement) returning(columns []string) string {
	word := "\nRETURNING "
	if s.Returning || s.Update != nil && s.Update.Returning {
		word = "\n, "
	}
	return s.Text + word + strings.Join(columns, ", ")
}

// qualified is a column of the target as RETURNING can name it.
func (s Statement) qualified(c Capture, column string) string {
	q := s.qualifier
	if len(q) == 2 && q[0] == "" {
		q = []string{c.Steps[0].Schema, q[1]}
	}
	return quoteName(q...) + "." + quoteIdent(column)
}

// values are the Width columns of one step's rows; name gives a column as SQL.
func (w *writer) values(index int, step Step, name func(column string) string) ([]string, error) {
	out := []string{"'" + strconv.Itoa(index) + "'::pg_catalog.text", name("tableoid") + "::pg_catalog.text"}
	for _, k := range append(append([]KeyColumn(nil), step.Key...), step.Old...) {
		text, err := keyText(name(k.Name), k.Type)
		if err != nil {
			return nil, err
		}
		if w.HexText {
			text = hexText(text)
		}
		out = append(out, text)
	}
	for len(out) < w.width {
		out = append(out, "NULL::pg_catalog.text")
	}
	return out, nil
}
