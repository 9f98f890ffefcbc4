package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rowback/rowback/recovery"
)

// Status is how a check ended.
type Status string

const (
	OK      Status = "ok"
	Problem Status = "problem"
	Failed  Status = "failed" // could not be made
)

// Kinds of checks.
const (
	kindForeignKey = "foreign_key"
	kindUnique     = "unique"
	kindSequence   = "sequence"
	kindQuery      = "query"
)

// Report is the outcome of a run; its JSON form is an outside contract.
type Report struct {
	Database string    `json:"database"` // without secrets
	Time     time.Time `json:"time"`
	Results  []Result  `json:"results"`
	Seconds  float64   `json:"seconds"`
}

// Result is one check.
type Result struct {
	Kind     string            `json:"kind"` // foreign_key, unique, sequence, query
	Name     string            `json:"name"`
	Table    string            `json:"table,omitempty"` // as SQL quotes it
	Status   Status            `json:"status"`
	Problems int64             `json:"problems"` // how many: rows, values, or queries' rows
	Detail   string            `json:"detail,omitempty"`
	Rows     []json.RawMessage `json:"rows,omitempty"` // a few of them, as objects of column to text
	Seconds  float64           `json:"seconds"`
}

// Clean: every check was made, and none found a problem.
func (r *Report) Clean() bool { return r.count(OK) == len(r.Results) }

func (r *Report) count(s Status) (n int) {
	for _, x := range r.Results {
		if x.Status == s {
			n++
		}
	}
	return n
}

// WriteJSON prints the report as one line of JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText prints for people: what is wrong in full, the rest as a number.
func (r *Report) WriteText(w io.Writer) {
	fmt.Fprintf(w, "Checked %s\n", r.Database)
	for _, x := range r.Results {
		if x.Status == OK {
			continue
		}
		fmt.Fprintf(w, "\n%s  %s", strings.ToUpper(string(x.Status)), x.title())
		fmt.Fprintf(w, "\n  %s\n", x.Detail)
		for _, row := range x.Rows {
			fmt.Fprintf(w, "    %s\n", row)
		}
		if more := x.Problems - int64(len(x.Rows)); len(x.Rows) > 0 && more > 0 {
			fmt.Fprintf(w, "    … and %s more\n", recovery.Grouped(more))
		}
	}
	fmt.Fprintf(w, "\n%s: %d ok", recovery.Plural(int64(len(r.Results)), "check"), r.count(OK))
	for _, s := range []struct {
		status Status
		says   string
	}{{Problem, "with problems"}, {Failed, "could not be made"}} {
		if n := r.count(s.status); n > 0 {
			fmt.Fprintf(w, ", %d %s", n, s.says)
		}
	}
	fmt.Fprintf(w, "; %.1f s\n", r.Seconds)
}

func (x Result) title() string {
	title := strings.ReplaceAll(x.Kind, "_", " ") + " " + x.Name
	if x.Table != "" {
		title += " on " + x.Table
	}
	return title
}

// row is a row as an object, in the order of its columns: values as text.
func row(columns []string, values []*string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	write := func(v any) {
		_ = e.Encode(v)         // strings and nil always encode
		b.Truncate(b.Len() - 1) // the encoder's newline
	}
	b.WriteByte('{')
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(',')
		}
		write(c)
		b.WriteByte(':')
		write(values[i])
	}
	b.WriteByte('}')
	return b.Bytes()
}
