package recovery

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// FromKeyFile reads keys of one table (name, or schema.name) from a file: JSON
// objects, each a key ({"id":42}), a key with its table as `rowback log --keys`
// prints it ({"schema":…,"table":…,"key":{…}}), or a whole entry of `rowback log
// --keys --output json`; or CSV with a header of column names. The file is read
// as a stream and must stay where it is.
func FromKeyFile(path, table string) (*Source, error) {
	s := &Source{origin: "--table " + table + " --keys " + path, Tables: []journal.Table{{Via: journal.Direct, KeysCaptured: true}}}
	t := &s.Tables[0]
	t.Schema, t.Name = journal.SplitName(table)
	left := leftOut{}
	// One pass finds mistakes before a connection is made, and counts.
	for _, err := range readKeys(path, t.Schema, t.Name, left, func(columns []string) {
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
		problem := path + " holds no keys"
		if len(left) > 0 {
			problem += " of " + table + "; left out: " + left.String()
		}
		return nil, refuse(Usage, problem)
	}
	if len(left) > 0 {
		s.Warnings = append(s.Warnings, "left out of "+path+": "+left.String())
	}
	s.Rows = func(yield func(journal.Row, error) bool) {
		readKeys(path, t.Schema, t.Name, leftOut{}, func([]string) {})(yield)
	}
	return s, nil
}

// readKeys yields the keys; columns is told the key's columns once, before the first.
func readKeys(path, schema, table string, left leftOut, columns func([]string)) func(func(journal.Row, error) bool) {
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
		switch {
		case first == '{', first == '[':
			next = jsonKeys(r, schema, table, left)
		case isLogText(r):
			err = errors.New("is the text output of `rowback log`; make it with --keys --output json")
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

// isLogText: what follows is what `rowback log` prints for people.
func isLogText(r *bufio.Reader) bool {
	start, _ := r.Peek(5)
	return bytes.Equal(start, []byte("TIME ")) || bytes.Equal(start, []byte("id   "))
}
