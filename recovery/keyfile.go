package recovery

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// FromKeyFile reads keys of one table (name, or schema.name) from a file: JSON
// lines, each a key object ({"id":42}) or an object as `rowback log --keys`
// prints ({"schema":…,"table":…,"key":{…}}), or CSV with a header of column
// names. The file is read as a stream and must stay where it is.
func FromKeyFile(path, table string) (*Source, error) {
	s := &Source{Tables: []journal.Table{{Via: journal.Direct, KeysCaptured: true}}}
	t := &s.Tables[0]
	var ok bool
	if t.Schema, t.Name, ok = strings.Cut(table, "."); !ok {
		t.Schema, t.Name = "", table
	}
	// One pass finds mistakes before a connection is made, and counts.
	for _, err := range readKeys(path, t.Schema, t.Name, func(columns []string) {
		for _, c := range columns {
			t.Key = append(t.Key, journal.Column{Name: c})
		}
	}) {
		if err != nil {
			return nil, refuse(Usage, err.Error())
		}
		t.Rows++
	}
	if t.Rows == 0 {
		return nil, refuse(Usage, path+" holds no keys")
	}
	s.Rows = func(yield func(journal.Row, error) bool) {
		readKeys(path, t.Schema, t.Name, func([]string) {})(yield)
	}
	return s, nil
}

// readKeys yields the keys; columns is told the key's columns once, before the first.
func readKeys(path, schema, table string, columns func([]string)) func(func(journal.Row, error) bool) {
	return func(yield func(journal.Row, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(journal.Row{}, err)
			return
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, 1<<16)
		first, err := firstByte(r)
		next := csvKeys(r)
		if first == '{' {
			next = jsonKeys(r, schema, table)
		}
		var names []string
		for line := 1; err == nil; line++ {
			var cols []string
			var values []*string
			if cols, values, err = next(); err != nil {
				break
			}
			if names == nil {
				names = cols
				columns(names)
			}
			if !slices.Equal(cols, names) {
				err = fmt.Errorf("key %d has the columns (%s), the first one (%s)", line, strings.Join(cols, ", "), strings.Join(names, ", "))
				break
			}
			if !yield(journal.Row{Values: values}, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(journal.Row{}, fmt.Errorf("%s: %w", path, err))
		}
	}
}

// firstByte peeks at the first byte that is not white space, past a byte order mark.
func firstByte(r *bufio.Reader) (byte, error) {
	if bom, _ := r.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(3)
	}
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return b, r.UnreadByte()
		}
	}
}

type nextKey func() (columns []string, values []*string, err error)

func csvKeys(r io.Reader) nextKey {
	c := csv.NewReader(r)
	var header []string
	return func() ([]string, []*string, error) {
		if header == nil {
			h, err := c.Read()
			if err != nil {
				return nil, nil, err
			}
			for i := range h {
				h[i] = strings.TrimSpace(h[i])
			}
			header = h
		}
		record, err := c.Read()
		if err != nil {
			return nil, nil, err
		}
		values := make([]*string, len(record))
		for i := range record {
			values[i] = &record[i]
		}
		return header, values, nil
	}
}

func jsonKeys(r io.Reader, schema, table string) nextKey {
	d := json.NewDecoder(r)
	d.UseNumber()
	n := 0
	return func() ([]string, []*string, error) {
		n++
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			return nil, nil, err
		}
		if key, ok := o["key"].(map[string]any); ok && o["table"] != nil {
			if name := o["table"]; name != table {
				return nil, nil, fmt.Errorf("key %d is of table %v, not %s", n, name, table)
			}
			if name := o["schema"]; name != nil && schema != "" && name != schema {
				return nil, nil, fmt.Errorf("key %d is of schema %v, not %s", n, name, schema)
			}
			o = key
		}
		columns := make([]string, 0, len(o))
		for c := range o {
			columns = append(columns, c)
		}
		slices.Sort(columns)
		values := make([]*string, len(columns))
		for i, c := range columns {
			var text string
			switch v := o[c].(type) {
			case string:
				text = v
			case json.Number:
				text = v.String()
			case bool:
				text = fmt.Sprint(v)
			default:
				return nil, nil, fmt.Errorf("key %d: %s is neither text, number nor boolean", n, c)
			}
			values[i] = &text
		}
		return columns, values, nil
	}
}
