package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rowback/rowback/journal"
)

// tablesBrief names as many tables as fit into width, with their rows. A table
// reached by several routes (directly and by cascade) is one, with the sum.
func tablesBrief(e *journal.Entry, width int) string {
	type part struct {
		name, what string
		rows       int64
	}
	var parts []part
next:
	for _, t := range e.Tables {
		p := part{tableName(t), staysInPlace(e, t), t.Rows}
		for i := range parts {
			if parts[i].name == p.name && parts[i].what == p.what {
				parts[i].rows += p.rows
				continue next
			}
		}
		parts = append(parts, p)
	}
	line := ""
	for i, p := range parts {
		text := fmt.Sprintf("%s %d", p.name, p.rows)
		if p.what != "" {
			text += " " + plural(p.what, p.rows)
		}
		if i > 0 {
			text = line + ", " + text
		}
		rest := ""
		if left := len(parts) - i - 1; left > 0 {
			rest = fmt.Sprintf(", +%d more", left)
		}
		if i > 0 && utf8.RuneCountInString(text+rest) > width {
			return oneLine(fmt.Sprintf("%s, +%d more", line, len(parts)-i), width)
		}
		line = text
	}
	return oneLine(line, width)
}

// staysInPlace says what became of rows that were neither removed nor
// inserted, only their link was changed; "" for others.
func staysInPlace(e *journal.Entry, t journal.Table) string {
	switch {
	case t.Via != journal.SetNull && t.Via != journal.SetDef:
		return ""
	case e.Kind == journal.Restore:
		return "link restored"
	case !happened(e):
		return "link"
	}
	return "link cut"
}

// plural is of "link cut": "links cut" unless n is 1.
func plural(what string, n int64) string {
	if n == 1 {
		return what
	}
	return strings.Replace(what, "link", "links", 1)
}

func tableRemark(e *journal.Entry, t journal.Table) string {
	remark := string(t.Via)
	if !happened(e) { // keys of what is still there are of no use
		if what := staysInPlace(e, t); what != "" {
			remark += ", " + plural(what, t.Rows) + " would have been cut"
		}
		return remark
	}
	if what := staysInPlace(e, t); what != "" {
		remark += ", " + plural(what, t.Rows) + ", "
		if t.Rows == 1 {
			remark += "row still there"
		} else {
			remark += "rows still there"
		}
	}
	if t.RowsCaptured {
		remark += ", whole rows captured"
		if len(t.Excluded) > 0 {
			remark += " without " + oneLine(strings.Join(t.Excluded, ", "), 0)
		}
	} else if t.WhyNoRows != "" {
		remark += ", whole rows not captured: " + oneLine(t.WhyNoRows, 0)
	}
	if !t.KeysCaptured {
		remark += ", keys not captured"
		if t.Why != "" {
			remark += ": " + oneLine(t.Why, 0)
		}
	}
	return remark
}

// tableName is a table's name that can be pasted into SQL and --table.
func tableName(t journal.Table) string {
	schema := t.Schema
	if schema == "public" {
		schema = ""
	}
	return oneLine(journal.QuoteName(schema, t.Name), 0)
}

// restoreOf says what a restore's entry brought back.
func restoreOf(e *journal.Entry) string {
	if len(e.Restores) == 0 {
		if len(e.Statements) == 1 && strings.HasPrefix(e.Statements[0].SQL, "rowback restore --") {
			return strings.TrimPrefix(e.Statements[0].SQL, "rowback ")
		}
		return "restore of keys from a file"
	}
	return "restore of " + strings.Join(e.Restores, ", ")
}
