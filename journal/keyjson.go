package journal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// KeyJSON is the outside form of a captured row of t:
//
//	{"schema":"public","table":"orders","key":{"id":42}}
//
// with "old":{…} for a row whose link was cut (set_null, set_default). Values
// are strings that PostgreSQL casts back, except integers that JSON keeps
// exact, which are numbers, and NULL; one that is no UTF-8, as in a database in
// SQL_ASCII, is {"base64":"…"}.
func (t Table) KeyJSON(r Row) ([]byte, error) {
	if len(r.Values) != len(t.Key)+len(t.Old) {
		return nil, fmt.Errorf("journal: a row of %s.%s has %d values, its key has %d columns",
			t.Schema, t.Name, len(r.Values), len(t.Key)+len(t.Old))
	}
	var b bytes.Buffer
	b.WriteString(`{"schema":`)
	writeString(&b, t.Schema)
	b.WriteString(`,"table":`)
	writeString(&b, t.Name)
	b.WriteString(`,"key":`)
	writeObject(&b, t.Key, r.Values)
	if len(t.Old) > 0 {
		b.WriteString(`,"old":`)
		writeObject(&b, t.Old, r.Values[len(t.Key):])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func writeObject(b *bytes.Buffer, columns []Column, values []*string) {
	b.WriteByte('{')
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(b, c.Name)
		b.WriteByte(':')
		switch v := values[i]; {
		case v == nil:
			b.WriteString("null")
		case !utf8.ValidString(*v):
			b.WriteString(`{"base64":"` + base64.StdEncoding.EncodeToString([]byte(*v)) + `"}`)
		case c.exactNumber(*v):
			b.WriteString(*v)
		default:
			writeString(b, *v)
		}
	}
	b.WriteByte('}')
}

// exactNumber: JSON numbers are doubles in most readers, exact up to 2^53.
func (c Column) exactNumber(text string) bool {
	switch c.Type {
	case "smallint", "integer", "bigint", "int2", "int4", "int8":
	default:
		return false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && n >= -1<<53 && n <= 1<<53 && strconv.FormatInt(n, 10) == text
}

func writeString(b *bytes.Buffer, s string) {
	if isPlain(s) {
		b.WriteByte('"')
		b.WriteString(s)
		b.WriteByte('"')
		return
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)         // a string always encodes
	b.Truncate(b.Len() - 1) // the encoder's newline
}

// isPlain: needs no escape in JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
