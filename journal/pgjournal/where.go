package pgjournal

import (
	"fmt"
	"strings"

	"github.com/rowback/rowback/journal"
)

// condition is an SQL condition that is built up.
type condition struct {
	parts []string
	args  []any
}

// add adds a part; each ? in it is one of values.
func (c *condition) add(part string, values ...any) {
	var b strings.Builder
	for i, piece := range strings.Split(part, "?") {
		if i > 0 {
			c.args = append(c.args, values[i-1])
			fmt.Fprintf(&b, "$%d", len(c.args))
		}
		b.WriteString(piece)
	}
	c.parts = append(c.parts, "("+b.String()+")")
}

func (c *condition) text() string {
	if len(c.parts) == 0 {
		return "true"
	}
	return strings.Join(c.parts, " AND ")
}

// byID selects what has this ID, or starts with it.
func byID(id string, prefix bool) *condition {
	var c condition
	if prefix {
		typed, canonical := clean(id), clean(journal.CanonicalID(id))
		c.add("id BETWEEN ? AND ? OR id BETWEEN ? AND ?", typed, typed+"\U0010FFFF", canonical, canonical+"\U0010FFFF")
	} else {
		c.add("id = ?", clean(id))
	}
	return &c
}

// filtered is the filter as a condition.
func filtered(f journal.Filter) *condition {
	var c condition
	if f.ID != "" {
		c = *byID(f.ID, true)
	}
	if !f.Since.IsZero() {
		c.add("time >= ?", f.Since.UnixNano())
	}
	if !f.Until.IsZero() {
		c.add("time <= ?", f.Until.UnixNano())
	}
	for _, x := range []struct{ column, value string }{
		{`"user"`, f.User}, {"database", f.Database}, {"application", f.Application}, {"proxy", f.Proxy},
		{"kind", string(f.Kind)}, {"outcome", string(f.Outcome)},
	} {
		switch {
		case x.column == "outcome" && f.Outcome == journal.InDoubt:
			c.add("outcome = 'in_doubt'") // literally: only so its partial index serves
		case x.value != "":
			c.add(x.column+" = ?", clean(x.value))
		}
	}
	if f.MinRows > 0 {
		c.add("rows >= ?", f.MinRows)
	}
	if f.Table != "" {
		touched, args := "name = ?", []any{clean(f.Table)}
		// Names may hold dots themselves: every one may be the separator.
		for i := range len(f.Table) {
			if f.Table[i] == '.' {
				touched += " OR schema = ? AND name = ?"
				args = append(args, clean(f.Table[:i]), clean(f.Table[i+1:]))
			}
		}
		c.add("no IN (SELECT entry FROM touched WHERE "+touched+")", args...)
	}
	return &c
}
