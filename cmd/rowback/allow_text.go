package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rowback/rowback/journal"
)

// allowanceJSON is an allowance with what its reader would have to reckon.
type allowanceJSON struct {
	*journal.Allowance
	State string `json:"state"` // live, expired, revoked, used up
	Left  int64  `json:"left"`  // rows that a further transaction may remove
}

// printAllowance prints one allowance in full.
func printAllowance(w io.Writer, output string, a *journal.Allowance, now time.Time) error {
	if output == "json" {
		return printLineJSON(w, allowanceJSON{a, a.State(now), a.Left(now)})
	}
	out := bufio.NewWriter(w)
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-12s %s\n", name, value)
		}
	}
	field("allowance", a.ID)
	rows := countOf(a.Rows, "row")
	if a.Once {
		rows += ", in one transaction"
	}
	field("allows", rows)
	field("for", allowanceFor(a))
	field("until", fmt.Sprintf("%s (%s)", shortTime(a.Expires), span(a.Expires.Sub(a.Time))))
	field("by", oneLine(a.By, 0))
	field("reason", oneLine(a.Reason, 0))
	if !a.Revoked.IsZero() {
		field("revoked", fmt.Sprintf("%s by %s", shortTime(a.Revoked), oneLine(a.RevokedBy, 0)))
	}
	if len(a.Uses) > 0 {
		field("used", fmt.Sprintf("%s by %s", countOf(usedRows(a), "row"), countOf(int64(len(a.Uses)), "transaction")))
	}
	return out.Flush()
}

// allowanceFor says which statements an allowance is for.
func allowanceFor(a *journal.Allowance) string {
	var parts []string
	if len(a.Tables) > 0 {
		parts = append(parts, strings.Join(a.Tables, ", "))
	} else {
		parts = append(parts, "any table")
	}
	for _, p := range []struct{ what, name string }{{"user", a.User}, {"database", a.Database}, {"application", a.Application}} {
		if p.name != "" {
			parts = append(parts, p.what+" "+p.name)
		}
	}
	if len(parts) == 1 {
		parts = append(parts, "any session")
	}
	return oneLine(strings.Join(parts, "; "), 0)
}

func usedRows(a *journal.Allowance) (rows int64) {
	for _, u := range a.Uses {
		rows += u.Rows
	}
	return rows
}

// countOf is "1 row", "2 rows".
func countOf(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// span is a length of time for people, without the zeros at its end.
func span(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(time.Second)
	} else {
		d = d.Round(10 * time.Millisecond)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
