package recovery

import (
	"strings"
)

// Limits of one batch of keys: what we hold in memory for a table, and what a
// single query is asked for.
const (
	batchKeys  = 1 << 16
	batchBytes = 4 << 20
)

// batch is a list of keys on its way to a server, one text array a column. It
// travels inside the query: a standby has no temporary tables.
type batch struct {
	n      int
	bytes  int
	arrays []strings.Builder
}

func (b *batch) add(values []*string) {
	if b.arrays == nil {
		b.arrays = make([]strings.Builder, len(values))
	}
	for i, v := range values {
		a := &b.arrays[i]
		before := a.Len()
		if b.n > 0 {
			a.WriteByte(',')
		}
		writeElement(a, v)
		b.bytes += a.Len() - before
	}
	b.n++
}

func (b *batch) full() bool { return b.n >= batchKeys || b.bytes >= batchBytes }

func (b *batch) reset() { *b = batch{} }

// sql is a FROM item of the keys: unnest(…) AS alias(k01, k02, …), all text.
func (b *batch) sql(alias string) string {
	var s strings.Builder
	s.Grow(b.bytes + 256)
	s.WriteString("unnest(")
	for i := range b.arrays {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(literal("{" + b.arrays[i].String() + "}"))
		s.WriteString("::pg_catalog.text[]")
	}
	s.WriteString(") AS " + alias + "(" + strings.Join(positions("k", len(b.arrays)), ", ") + ")")
	return s.String()
}

var elementEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func writeElement(b *strings.Builder, v *string) {
	if v == nil {
		b.WriteString("NULL")
		return
	}
	b.WriteByte('"')
	_, _ = elementEscapes.WriteString(b, *v)
	b.WriteByte('"')
}
