package sqlparse

import (
	"fmt"
	"strings"
)

var errUpdateSteps = fmt.Errorf("%w: an UPDATE has no step but its target", ErrStep)

// captureUpdate appends to what the UPDATE returns.
func (s Statement) captureUpdate(c Capture) (Captured, error) {
	g, err := newGraph(c.Steps)
	if err != nil {
		return Captured{}, err
	}
	if !g.single() {
		return Captured{}, errUpdateSteps
	}
	name := func(column string) string { return s.qualified(c, column) }
	w := writer{Capture: c, graph: g}
	values, err := w.values(0, c.Steps[0], name)
	if err != nil {
		return Captured{}, err
	}
	if len(c.Soft) > 0 {
		values = append(values, softText(c.Soft, name))
	}
	return Captured{SQL: s.returning(values), Width: len(values), SelfStep: len(c.Steps)}, nil
}

// softText is 't' if one of the columns marks the row as deleted, else 'f'.
func softText(columns []KeyColumn, name func(string) string) string {
	var marks []string
	for _, c := range columns {
		test := " IS NOT NULL"
		if c.Type == "bool" {
			test = " IS TRUE"
		}
		marks = append(marks, name(c.Name)+test)
	}
	return "CASE WHEN " + strings.Join(marks, " OR ") + " THEN 't' ELSE 'f' END::pg_catalog.text"
}
