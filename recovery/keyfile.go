package recovery

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
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
	err := readKeys(path, t.Schema, t.Name, left, func(columns []string, values []*string, from keyReader) bool {
		if t.Rows == 0 {
			for _, c := range columns {
				t.Key = append(t.Key, journal.Column{Name: c})
			}
			s.keysIn = strings.ReplaceAll(path, "%", "%%") + from.names()
		}
		t.Rows++
		return true
	})
	if err != nil {
		return nil, refuse(Usage, err.Error())
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
		stopped := false
		err := readKeys(path, t.Schema, t.Name, leftOut{}, func(_ []string, values []*string, _ keyReader) bool {
			stopped = !yield(journal.Row{Values: values}, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(journal.Row{}, err)
		}
	}
	s.find = func(value string) (place string) {
		_ = readKeys(path, t.Schema, t.Name, leftOut{}, func(_ []string, values []*string, from keyReader) bool { // it was read before
			if slices.ContainsFunc(values, func(v *string) bool { return *v == value }) {
				place = path + ", " + from.place()
			}
			return place == ""
		})
		return place
	}
	return s, nil
}

// readKeys calls key with each, until it says false. Its errors name the file.
func readKeys(path, schema, table string, left leftOut, key func(columns []string, values []*string, from keyReader) bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	first, skipped, err := firstByte(r)
	if errors.Is(err, io.EOF) {
		err = errors.New("is empty; " + keysExpected)
	}
	if why := isOther(r); why != "" {
		err = errors.New(why)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var keys keyReader = &csvFile{r: csv.NewReader(r), skipped: skipped}
	if first == '{' || first == '[' {
		keys = jsonKeys(r, schema, table, left)
	}
	var names []string
	for n := 1; ; n++ {
		columns, values, err := keys.next()
		if names == nil {
			names = columns
		}
		if err == nil && !slices.Equal(columns, names) {
			err = fmt.Errorf("key %d has the columns (%s), the first one (%s)", n, strings.Join(columns, ", "), strings.Join(names, ", "))
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		case !key(columns, values, keys):
			return nil
		}
	}
}

// firstByte peeks at the first byte that is not white space, past a byte order
// mark, and counts the lines before it.
func firstByte(r *bufio.Reader) (first byte, lines int, err error) {
	if bom, _ := r.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(3)
	}
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, lines, err
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return b, lines, r.UnreadByte()
		}
		if b == '\n' {
			lines++
		}
	}
}

// keyReader reads key after key.
type keyReader interface {
	next() (columns []string, values []*string, err error)
	// For people: where the last key stands; and what gives keys their columns, a
	// format for these, to be put behind the file's name.
	place() string
	names() string
}

// isOther says what a file is that looks like none of keys, or "".
func isOther(r *bufio.Reader) string {
	const instead = "; make it with `rowback log ID --keys --output json`"
	start, _ := r.Peek(len(exportedCSV))
	switch {
	case bytes.HasPrefix(start, []byte("TIME ")), bytes.HasPrefix(start, []byte("id   ")):
		return "is the text output of `rowback log`" + instead
	case bytes.Equal(start, []byte(exportedCSV)):
		return "is CSV of `rowback journal export`" + instead
	}
	return ""
}

// exportedCSV is how the header of `rowback journal export --format csv` begins.
const exportedCSV = "id,time,kind,outcome,"

var quotedValue = regexp.MustCompile(`(?s)"(.*)"`)

// keyWith is where the key stands that a server says something about, as far as
// it names the value.
func (s *Source) keyWith(said string) string {
	if m := quotedValue.FindStringSubmatch(said); m != nil && s.find != nil {
		if place := s.find(m[1]); place != "" {
			return place + ": the key"
		}
	}
	return "a key in the file"
}
