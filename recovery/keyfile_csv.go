package recovery

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// csvFile reads keys from CSV. Its errors name the line.
type csvFile struct {
	r       *csv.Reader
	skipped int // lines before it
	header  []string
}

func (c *csvFile) next() ([]string, []*string, error) {
	if c.header == nil {
		header, err := c.r.Read()
		if err != nil {
			return nil, nil, c.explain(err)
		}
		for i := range header {
			header[i] = strings.TrimSpace(header[i])
			if slices.Contains(header[:i], header[i]) {
				return nil, nil, fmt.Errorf("line %d: the header names %q twice", c.skipped+1, header[i])
			}
		}
		c.header = header
	}
	record, err := c.r.Read()
	if err != nil {
		return nil, nil, c.explain(err)
	}
	values := make([]*string, len(record))
	for i := range record {
		values[i] = &record[i]
	}
	return c.header, values, nil
}

// place is where the last key stands.
func (c *csvFile) place() string {
	line, _ := c.r.FieldPos(0)
	return fmt.Sprintf("line %d", c.skipped+line)
}

func (c *csvFile) names() string {
	return fmt.Sprintf(", line %d: the header is (%%s)", c.skipped+1)
}

func (c *csvFile) explain(err error) error {
	var at *csv.ParseError
	switch {
	case !errors.As(err, &at):
		return err
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("line %d: it has not as many values as the header has columns (%d); commas part them, and a value with a comma stands in quotes", c.skipped+at.StartLine, len(c.header))
	case errors.Is(err, csv.ErrBareQuote):
		return fmt.Errorf("line %d, column %d: a quote within a value that does not begin with one; put such a value in quotes, and double those inside", c.skipped+at.Line, at.Column)
	case errors.Is(err, csv.ErrQuote):
		return fmt.Errorf("line %d: a value in quotes does not end where it should (looked for up to line %d); the quotes inside must be doubled", c.skipped+at.StartLine, c.skipped+at.Line)
	}
	return err
}

// keysExpected says what a file of keys holds.
const keysExpected = `expected are CSV with a header that names the key's columns, or JSON objects such as {"id":42}`

// keyOf refuses the columns of a file's keys that are not those of a key of t.
func (r *restore) keyOf(ctx context.Context, t *catalog.Table, columns []string) error {
	s := r.o.Source
	if s.keysIn == "" || len(t.Key) == 0 || unsupported(t) != "" {
		return nil
	}
	if err := r.production.describe(ctx, t); err != nil {
		return err
	}
	var wrong []string
	for _, c := range columns {
		if t.Column(c) == nil {
			wrong = append(wrong, fmt.Sprintf("%q", c))
		}
	}
	what := "no column " + strings.Join(wrong, ", ")
	switch {
	case len(wrong) == 0 && r.production.detail[t.OID].uniqueOn(columns):
		return nil
	case len(wrong) == 0:
		what = fmt.Sprintf("no key (%s)", strings.Join(columns, ", "))
	}
	return refuse(Usage, fmt.Sprintf("%s, and %s has %s; expected are the columns of its key, as they are stored: %s",
		fmt.Sprintf(s.keysIn, strings.Join(columns, ", ")), display(t), what, strings.Join(t.Key, ",")))
}
