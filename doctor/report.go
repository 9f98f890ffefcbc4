package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rowback/rowback/guard/explain"
)

// Status is how a check ended.
type Status string

const (
	OK   Status = "ok"
	Note Status = "note" // it is as it is configured, and to be known
	Warn Status = "warn" // it works, but not as well as it should
	Fail Status = "fail" // the proxy or a restore will not work
)

// Check is one thing that was looked at.
type Check struct {
	Name   string   `json:"name"`
	Status Status   `json:"status"`
	Seen   string   `json:"seen"`
	Mend   string   `json:"mend,omitempty"`    // what to do; not with OK or Note
	List   []string `json:"details,omitempty"` // what Seen counts, each
}

// Report is what Run found, in the order in which it looked.
type Report struct {
	Checks []Check              `json:"checks"`
	Rules  *explain.Explanation `json:"rules,omitempty"` // that a statement falls under, if one was asked for
}

func (r *Report) add(c Check) { r.Checks = append(r.Checks, c) }

func (r *Report) ok(name, format string, args ...any) {
	r.add(Check{Name: name, Status: OK, Seen: fmt.Sprintf(format, args...)})
}

func (r *Report) note(name, format string, args ...any) {
	r.add(Check{Name: name, Status: Note, Seen: fmt.Sprintf(format, args...)})
}

func (r *Report) warn(name, mend, format string, args ...any) {
	r.add(Check{Name: name, Status: Warn, Seen: fmt.Sprintf(format, args...), Mend: mend})
}

func (r *Report) fail(name, mend, format string, args ...any) {
	r.add(Check{Name: name, Status: Fail, Seen: fmt.Sprintf(format, args...), Mend: mend})
}

// Count is how many checks ended so.
func (r *Report) Count(s Status) (n int) {
	for _, c := range r.Checks {
		if c.Status == s {
			n++
		}
	}
	return n
}

// WriteJSON writes {"checks":[…],"rules":{…},"ok":n,"note":n,"warn":n,"fail":n}.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		*Report
		OK   int `json:"ok"`
		Note int `json:"note"`
		Warn int `json:"warn"`
		Fail int `json:"fail"`
	}{r, r.Count(OK), r.Count(Note), r.Count(Warn), r.Count(Fail)})
}

// shown is how many of a check's details people are shown; JSON has all.
const shown = 12

// WriteText writes a line for each check, with its details and the mend below it.
func (r *Report) WriteText(w io.Writer) {
	width := 0
	for _, c := range r.Checks {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	indent := strings.Repeat(" ", width+4)
	marks := map[Status]string{OK: "✓", Note: "·", Warn: "!", Fail: "✗"}
	for _, c := range r.Checks {
		fmt.Fprintf(w, "%s %-*s  %s\n", marks[c.Status], width, c.Name, hanging(c.Seen, indent))
		for i, d := range c.List {
			if i == shown {
				fmt.Fprintf(w, "%s- and %d more; --output json lists all\n", indent, len(c.List)-shown)
				break
			}
			fmt.Fprintf(w, "%s- %s\n", indent, hanging(d, indent+"  "))
		}
		if c.Mend != "" {
			fmt.Fprintf(w, "%s→ %s\n", indent, hanging(c.Mend, indent+"  "))
		}
	}
	if r.Rules != nil {
		fmt.Fprint(w, "\nrules ")
		r.Rules.WriteText(w)
	}
	fmt.Fprintf(w, "\n%d ok, %d to know, %d to look at, %d that will fail\n", r.Count(OK), r.Count(Note), r.Count(Warn), r.Count(Fail))
}

// hanging indents the lines after the first.
func hanging(text, indent string) string { return strings.ReplaceAll(text, "\n", "\n"+indent) }
