package diff

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// column is a key column, read in the same form and order on both sides.
type column struct {
	name    string
	typ     string // of the live column, fit for a cast that cuts nothing off
	integer bool   // read in binary and ordered as numbers, else by the bytes of its text
	value   string // SQL over alias t
	native  bool   // the type's own order is the one that we want
}

var integers = []string{"int2", "int4", "int8"}

func (r *run) keyColumns(p *pair) []column {
	var out []column
	for _, name := range p.live.Key {
		l, b := p.live.Column(name), p.backup.Column(name)
		both := func(types ...string) bool {
			return slices.Contains(types, l.BaseType) && slices.Contains(types, b.BaseType)
		}
		quoted := pgx.Identifier{"t", name}.Sanitize()
		c := column{name: name, typ: castable(l), value: quoted + "::text"}
		switch {
		case both(integers...):
			c.integer, c.native, c.value = true, true, quoted
		case both("uuid"), both("bytea"): // both print as their bytes sort
			c.native, c.value = true, quoted
		case both("int2", "int4", "int8", "numeric"): // 1.0 and 1.00 are one key
			c.value = "pg_catalog.trim_scale(" + quoted + "::numeric)::text"
		case both("float4", "float8"): // so are 0 and -0
			c.value = "(" + quoted + " OPERATOR(pg_catalog.+) 0)::text"
		}
		out = append(out, c)
	}
	return out
}

var modifier = regexp.MustCompile(`\([0-9, -]+\)`)

// castable is a column's type without its modifier: a cast cuts nothing off.
func castable(c *catalog.Column) string {
	switch t := modifier.ReplaceAllString(c.Type, ""); t {
	case "character":
		return "bpchar"
	case "bit":
		return c.Type
	default:
		return t
	}
}

// exact: the order of the keys is their own, so the two streams alone prove that
// a key of the one is not in the other.
func (p *pair) exact() bool {
	return p.where == "" && !slices.ContainsFunc(p.key, func(c column) bool { return !c.native })
}

// formats are those of query's columns.
func (p *pair) formats(more int) []int16 {
	formats := make([]int16, len(p.key)+more)
	for i, c := range p.key {
		if c.integer {
			formats[i] = pgx.BinaryFormatCode
		}
	}
	return formats
}

// query reads the keys of one side in order, then what else is selected.
func (p *pair) query(t *catalog.Table, utf8 bool, more ...string) string {
	var values, order []string
	for _, c := range p.key {
		values = append(values, c.value)
		switch {
		case c.native:
			order = append(order, c.value)
		case utf8:
			order = append(order, "("+c.value+`) COLLATE "C"`)
		default: // by the bytes that we are sent
			order = append(order, "pg_catalog.convert_to("+c.value+", 'UTF8')")
		}
	}
	where := ""
	if p.where != "" {
		where = " WHERE (" + p.where + "\n)" // the newline ends a comment
	}
	return fmt.Sprintf("SELECT %s FROM %s t%s ORDER BY %s", strings.Join(append(values, more...), ", "), only(t), where, strings.Join(order, ", "))
}

// contents is an SQL expression over alias t: a row's columns that both sides
// have, as one hash of their text.
func (p *pair) contents() string {
	var columns []string
	for _, c := range p.live.Columns {
		if b := p.backup.Column(c.Name); b != nil && !c.Generated && !b.Generated {
			columns = append(columns, pgx.Identifier{"t", c.Name}.Sanitize()+"::text")
		}
	}
	return "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(" + strings.Join(columns, ", ") + ")::text, 'UTF8')), 'hex')"
}

// compare orders two keys as query does.
func (p *pair) compare(a, b [][]byte) int {
	for i, c := range p.key {
		if !c.integer {
			if n := bytes.Compare(a[i], b[i]); n != 0 {
				return n
			}
			continue
		}
		if n := cmp.Compare(integer(a[i]), integer(b[i])); n != 0 {
			return n
		}
	}
	return 0
}

// integer decodes an int2, int4 or int8 in binary.
func integer(b []byte) int64 {
	switch len(b) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	}
	return int64(binary.BigEndian.Uint64(b))
}

// texts are the key of a row as text.
func (p *pair) texts(row [][]byte) []*string {
	out := make([]*string, len(p.key))
	for i, c := range p.key {
		s := ""
		if c.integer {
			s = strconv.FormatInt(integer(row[i]), 10)
		} else {
			s = string(row[i])
		}
		out[i] = &s
	}
	return out
}

// journalTable makes keys print as the journal's do.
func (p *pair) journalTable() journal.Table {
	t := journal.Table{Schema: p.live.Schema, Name: p.live.Name}
	for _, c := range p.key {
		t.Key = append(t.Key, journal.Column{Name: c.name, Type: p.live.Column(c.name).Type})
	}
	return t
}
