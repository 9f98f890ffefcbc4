package recovery

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/journal"
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
	Triggers   []string         `json:"triggers"`          // user triggers that fired, or would
	Entry      string           `json:"entry,omitempty"`   // journal entry of this restore
	Batch      string           `json:"batch,omitempty"`   // likewise: what --undo takes for all of them
	Entries    []string         `json:"entries,omitempty"` // all of them, of a restore in several transactions
	Seconds    float64          `json:"seconds"`
	DryRun     bool             `json:"dry_run"`

	plan *Plan
}

// Check is one thing that was proved before COMMIT, or that failed.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	// Rows of a failed check, by key, a few of them; Detail has the count.
	Rows []string `json:"rows,omitempty"`
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
		r.Tables[i].Restored, r.Tables[i].FromImages, r.Tables[i].Relinked, r.Tables[i].Unmarked = 0, 0, 0, 0
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
			failed = append(failed, strings.Join(append([]string{c.Name + ": " + c.Detail}, c.Rows...), "\n      "))
		}
	}
	writeList(w, "Checks that failed:", failed)
	if len(failed) == 0 {
		fmt.Fprintf(w, "\n%s passed.\n", plural(int64(len(r.Checks)), "check"))
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
	var relinked, unmarked int64
	for _, c := range r.Tables {
		relinked, unmarked = relinked+c.Relinked, unmarked+c.Unmarked
	}
	fmt.Fprintf(w, "\n%s restored%s%s in %.1f s", plural(r.Restored, "row"), also(relinked, "link", "given back"), also(unmarked, "soft delete", "set back"), r.Seconds)
	switch {
	case r.Batch != "":
		fmt.Fprintf(w, "; on record as %s, in %s; `rowback restore --undo %[1]s` takes all of them back", r.Batch, entriesOf(len(r.Entries)))
	case r.Entry != "":
		fmt.Fprintf(w, "; on record as %s", r.Entry)
	}
	fmt.Fprintln(w, ".")
}

// also is what was done beside, "" for nothing.
func also(n int64, what, done string) string {
	if n == 0 {
		return ""
	}
	return ", " + plural(n, what) + " " + done
}

func entriesOf(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return grouped(int64(n)) + " entries"
}

func writeCounts(w io.Writer, counts []Count, restored string) {
	head := []string{"table", "requested", restored, "already present", "different", "conflicts", "missing in backup", "parent gone", "filtered", "relinked", "unmarked"}
	rows := [][]string{head}
	total := Count{}
	row := func(name string, c Count) {
		cells := []string{name}
		for _, n := range []int64{c.Requested, c.Restored, c.AlreadyPresent, c.Different, c.Conflicts, c.Missing, c.ParentGone, c.Filtered, c.Relinked, c.Unmarked} {
			cells = append(cells, grouped(n))
		}
		rows = append(rows, cells)
	}
	for _, c := range counts {
		row(journal.QuoteName(c.Schema, c.Table), c)
		total.Requested += c.Requested
		total.add(c)
	}
	if len(counts) > 1 {
		row("total", total)
	}
	for name, n := range map[string]int64{"filtered": total.Filtered, "unmarked": total.Unmarked} { // seldom more
		if n > 0 {
			continue
		}
		at := slices.Index(rows[0], name)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], at, at+1)
		}
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

// grouped is 50,382.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is "1 row", "50,382 rows".
func plural(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(n) + " " + what
}
