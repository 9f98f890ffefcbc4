package recovery

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Report is what became of every requested row; its JSON form is an outside contract.
type Report struct {
	IDs        []string         `json:"ids"`
	Tables     []Count          `json:"tables"`
	Restored   int64            `json:"restored"`
	Unrestored []Unrestored     `json:"unrestored"`
	Checks     []Check          `json:"checks"`
	Sequences  []SequenceReport `json:"sequences"`
	Warnings   []string         `json:"warnings"`
	Triggers   []string         `json:"triggers"`        // user triggers that fired, or would
	Entry      string           `json:"entry,omitempty"` // journal entry of this restore
	Seconds    float64          `json:"seconds"`
	DryRun     bool             `json:"dry_run"`

	plan *Plan
}

// Check is one thing that was proved before COMMIT, or that failed.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Complete: every requested row is back (or would be), and nothing is left to mend.
func (r *Report) Complete() bool {
	for _, s := range r.Sequences {
		if s.Problem != "" {
			return false
		}
	}
	for _, c := range r.Checks {
		if !c.OK {
			return false
		}
	}
	return len(r.Unrestored) == 0
}

// withdraw makes it the report of a restore that was rolled back.
func (r *Report) withdraw() {
	r.Restored = 0
	for i := range r.Tables {
		r.Tables[i].Restored, r.Tables[i].Relinked = 0, 0
	}
}

// WriteJSON prints the report as one line of JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer) {
	if r.DryRun {
		r.plan.Write(w)
		fmt.Fprintln(w, "\nDry run: nothing was changed.")
		return
	}
	writeCounts(w, r.Tables, "restored")
	var failed []string
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, c.Name+": "+c.Detail)
		}
	}
	writeList(w, "Checks that failed:", failed)
	if len(failed) == 0 {
		fmt.Fprintf(w, "\n%d checks passed.\n", len(r.Checks))
	}
	for _, s := range r.Sequences {
		switch {
		case s.Problem != "":
			fmt.Fprintf(w, "Sequence %s: %s\n", s.Sequence, s.Problem)
		case s.Moved:
			fmt.Fprintf(w, "Sequence %s: moved from %d to %d.\n", s.Sequence, s.From, s.To)
		}
	}
	writeList(w, "Note:", r.Warnings)
	writeUnrestored(w, r.Unrestored)
	rows := "rows"
	if r.Restored == 1 {
		rows = "row"
	}
	fmt.Fprintf(w, "\n%s %s restored in %.1f s", grouped(r.Restored), rows, r.Seconds)
	if r.Entry != "" {
		fmt.Fprintf(w, "; on record as %s", r.Entry)
	}
	fmt.Fprintln(w, ".")
}

func writeCounts(w io.Writer, counts []Count, restored string) {
	head := []string{"table", "requested", restored, "already present", "different", "conflicts", "missing in backup", "parent gone", "relinked"}
	rows := [][]string{head}
	total := Count{}
	row := func(name string, c Count) {
		cells := []string{name}
		for _, n := range []int64{c.Requested, c.Restored, c.AlreadyPresent, c.Different, c.Conflicts, c.Missing, c.ParentGone, c.Relinked} {
			cells = append(cells, grouped(n))
		}
		rows = append(rows, cells)
	}
	for _, c := range counts {
		row(c.Schema+"."+c.Table, c)
		total.Requested += c.Requested
		total.Restored += c.Restored
		total.AlreadyPresent += c.AlreadyPresent
		total.Different += c.Different
		total.Conflicts += c.Conflicts
		total.Missing += c.Missing
		total.ParentGone += c.ParentGone
		total.Relinked += c.Relinked
	}
	if len(counts) > 1 {
		row("total", total)
	}
	writeTable(w, rows)
}

// writeTable prints cells in columns, the first to the left, numbers to the right.
func writeTable(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-len([]rune(c)))
			if i == 0 {
				line.WriteString("  " + c + pad)
			} else {
				line.WriteString("  " + pad + c)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

func writeList(w io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, l := range lines {
		fmt.Fprintf(w, "  - %s\n", l)
	}
}

// writeUnrestored names every row: a list cut short would hide a loss.
func writeUnrestored(w io.Writer, rows []Unrestored) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\nNot restored (%s):\n", grouped(int64(len(rows))))
	for _, u := range rows {
		fmt.Fprintf(w, "  - %s: %s\n", strings.TrimSpace(u.Schema+"."+u.Table+" "+string(u.Key)), u.Reason)
	}
}

// grouped is 50,382.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
