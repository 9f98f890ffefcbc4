package journal

import "iter"

// Keys gathers the captured rows of one transaction before they are appended.
// Up to a limit they stay in memory (compressed), beyond it they spill to a
// temporary file. Not safe for concurrent use.
//
// The zero value is not usable: NewKeys.
type Keys struct {
	// implementation to come
}

// Mark is a position in a Keys, for savepoints.
type Mark struct {
	// implementation to come
}

// NewKeys makes an empty gathering that spills to dir ("": os.TempDir()).
func NewKeys(dir string) *Keys { panic("journal.NewKeys") }

// Add appends one row; its values are copied.
func (k *Keys) Add(r Row) error { panic("journal.Keys.Add") }

// Len is the number of rows held.
func (k *Keys) Len() int64 { panic("journal.Keys.Len") }

// Mark returns the present end.
func (k *Keys) Mark() Mark { panic("journal.Keys.Mark") }

// Rewind forgets every row added since m.
func (k *Keys) Rewind(m Mark) error { panic("journal.Keys.Rewind") }

// Rows yields the rows in order.
func (k *Keys) Rows() iter.Seq2[Row, error] { panic("journal.Keys.Rows") }

// Close frees the memory and the temporary file.
func (k *Keys) Close() error { panic("journal.Keys.Close") }
