package backup

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/check"
)

// VerifyReport is what Verify found; its JSON form is an outside contract.
type VerifyReport struct {
	Time     time.Time     `json:"time"`
	Database string        `json:"database"`       // that was looked at, without secrets
	Dump     *Receipt      `json:"dump,omitempty"` // how the dump was loaded
	Tables   []TableRows   `json:"tables"`         // of a dump: rows it has, and rows restored
	Newest   *Newest       `json:"newest"`         // null: no row holds a point in time
	Entries  []EntryKeys   `json:"entries"`
	Checks   *check.Report `json:"checks"`
	Problems []string      `json:"problems"` // none: it is usable
	Warnings []string      `json:"warnings"` // what may be as it should, and may not
	Seconds  float64       `json:"seconds"`
}

// TableRows is a table's rows in the dump (-1: not countable) and restored.
type TableRows struct {
	Table    string `json:"table"`
	Dump     int64  `json:"dump"`
	Restored int64  `json:"restored"`
}

// Newest is the newest point in time that a row holds.
type Newest struct {
	Table  string    `json:"table"`
	Column string    `json:"column"`
	Time   time.Time `json:"time"`
	Age    float64   `json:"age_seconds"`
}

// EntryKeys is how many of a deletion's rows could be brought back.
type EntryKeys struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Keys    int64     `json:"keys"` // that the journal has
	Present int64     `json:"present"`
}

// Usable: nothing is wrong with it.
func (r *VerifyReport) Usable() bool { return len(r.Problems) == 0 }

// WriteJSON prints the report as one line of JSON.
func (r *VerifyReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// old is an age in the units that people use for backups.
func old(age time.Duration) string {
	switch {
	case age < time.Hour:
		return recovery.Plural(int64(age/time.Minute), "minute")
	case age < 48*time.Hour:
		return recovery.Plural(int64(age/time.Hour), "hour")
	}
	return recovery.Plural(int64(age/(24*time.Hour)), "day")
}

// WriteText prints the report for people.
func (r *VerifyReport) WriteText(w io.Writer) {
	if r.Dump != nil {
		var rows int64
		for _, t := range r.Tables {
			rows += t.Restored
		}
		made := ""
		if !r.Dump.Dumped.IsZero() {
			made = ", dumped " + r.Dump.Dumped.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s (%s%s) was restored in %.1f s: %s in %s\n", r.Dump.Dump, r.Dump.Format, made, r.Dump.Seconds, recovery.Plural(rows, "row"), recovery.Plural(int64(len(r.Tables)), "table"))
	} else {
		fmt.Fprintf(w, "%s\n", r.Database)
	}
	if n := r.Newest; n != nil {
		fmt.Fprintf(w, "newest row: %s, %s old (%s of %s)\n", n.Time.Format(time.RFC3339), old(time.Duration(n.Age)*time.Second), n.Column, n.Table)
	}
	if len(r.Entries) > 0 {
		cells := [][]string{{"deletion", "keys", "in this backup"}}
		for _, e := range r.Entries {
			cells = append(cells, []string{e.ID + "  " + e.Time.UTC().Format(time.RFC3339), recovery.Grouped(e.Keys), recovery.Grouped(e.Present)})
		}
		fmt.Fprintln(w)
		recovery.WriteTable(w, cells)
	}
	if r.Checks != nil {
		fmt.Fprintln(w)
		r.Checks.WriteText(w)
	}
	if len(r.Warnings) > 0 {
		fmt.Fprintln(w, "\nWarnings:")
		for _, x := range r.Warnings {
			fmt.Fprintf(w, "  - %s\n", x)
		}
	}
	if r.Usable() {
		fmt.Fprintf(w, "\nUsable; %.1f s.\n", r.Seconds)
		return
	}
	fmt.Fprintln(w, "\nProblems:")
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  - %s\n", p)
	}
}
