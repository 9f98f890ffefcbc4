package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String is the policy as people read it: a line for each rule, in order, the default last.
func (p Policy) String() string {
	var b strings.Builder
	for _, r := range p.Rules {
		b.WriteString(r.String() + "\n")
	}
	return b.String() + p.Default.String()
}

// String is the rule as people read it, in a line: its name, whom it is for,
// and what it does.
func (r Rule) String() string {
	if r.Name == DefaultName {
		return r.Name + ": " + r.Does()
	}
	return r.Name + " (" + r.Match.String() + "): " + r.Does()
}

// String says whom a rule is for.
func (m Match) String() string {
	var parts []string
	add := func(one string, names []string) {
		switch {
		case len(names) == 1:
			parts = append(parts, one+" "+name(names[0]))
		case len(names) > 1:
			parts = append(parts, one+"s "+and(names))
		}
	}
	add("database", m.Databases)
	add("user", m.Users)
	add("application", m.Applications)
	add("table", m.Tables)
	networks := make([]string, 0, len(m.Networks)+1)
	for _, n := range m.Networks {
		networks = append(networks, n.String())
	}
	if m.Local {
		networks = append(networks, "local")
	}
	add("network", networks)
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, "; ")
}

// Does says what the rule does, in a line.
func (r Rule) Does() string {
	if r.Mode == Off {
		return "off, nothing is judged"
	}
	out := []string{r.Over()}
	if len(r.Refuse) > 0 {
		out = append(out, "refuses "+list(r.Refuse))
	}
	if r.WhereRequired {
		out = append(out, "a condition is required")
	}
	if r.Updates {
		out = append(out, "updates count")
	}
	if len(r.SoftDelete) > 0 {
		out = append(out, "setting "+or(r.SoftDelete)+" counts as deleting")
	}
	if r.Temporary {
		out = append(out, "temporary tables count")
	}
	out = append(out, "uncaptured "+string(r.Uncaptured), "uncountable "+string(r.Uncountable))
	if r.Capture == CaptureRows {
		kept := "whole rows are kept"
		if len(r.ExcludeColumns) > 0 {
			kept += ", without " + and(r.ExcludeColumns)
		}
		out = append(out, kept)
	}
	switch {
	case r.CommentAllowances && r.CommentMax > 0:
		out = append(out, fmt.Sprintf("a comment may allow up to %d rows", r.CommentMax))
	case r.CommentAllowances:
		out = append(out, "a comment may allow any number of rows")
	}
	return strings.Join(out, "; ")
}

// Over is the mode, and what calls for it.
func (r Rule) Over() string {
	var limits []string
	if r.Statement == r.Transaction && r.Statement != Unlimited {
		limits = append(limits, rows(r.Statement)+" a statement or transaction")
	} else {
		if r.Statement != Unlimited {
			limits = append(limits, rows(r.Statement)+" a statement")
		}
		if r.Transaction != Unlimited {
			limits = append(limits, rows(r.Transaction)+" a transaction")
		}
	}
	for _, w := range r.Windows {
		limits = append(limits, w.String())
	}
	if r.Fraction > 0 {
		limit := strconv.FormatFloat(r.Fraction*100, 'g', 6, 64) + "% of a table"
		if r.FractionMin > 0 {
			limit += fmt.Sprintf(" (from %s on)", rows(r.FractionMin))
		}
		limits = append(limits, limit)
	}
	mode := string(r.Mode)
	if r.Mode == Hold {
		mode += " for " + duration(r.HoldFor)
	}
	if len(limits) == 0 {
		return mode + ", but no limit on rows"
	}
	return mode + " over " + strings.Join(limits, ", ")
}

// String is the window as people read it: "100 rows in 1m by table and user".
func (w Window) String() string {
	s := rows(w.Rows) + " in " + duration(w.Per)
	if len(w.By) > 0 {
		names := make([]string, len(w.By))
		for i, d := range w.By {
			names[i] = string(d)
		}
		s += " by " + and(names)
	}
	return s
}

func rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return strconv.FormatInt(n, 10) + " rows"
}

// duration is as short as it can be written: 10m, not 10m0s.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// name quotes what would not be seen, or be taken for several.
func name(s string) string {
	if s == "" || strings.ContainsAny(s, ",;() \t") {
		return strconv.Quote(s)
	}
	return s
}

func and(names []string) string { return enumerate(names, "and") }
func or(names []string) string  { return enumerate(names, "or") }

func enumerate(names []string, last string) string {
	names = slices.Clone(names)
	for i := range names {
		names[i] = name(names[i])
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	n := len(names) - 1
	return strings.Join(names[:n], ", ") + " " + last + " " + names[n]
}
