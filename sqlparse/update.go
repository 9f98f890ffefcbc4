package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
)

// Update is a top-level UPDATE.
type Update struct {
	Target    Name
	Only      bool // UPDATE ONLY
	Where     bool // as Statement.Where
	Returning bool // has a RETURNING list
	// Sets are the columns it sets, in the order of the text. One of a composite
	// or array of which a part is set is there too.
	Sets []Set
	// Others: its WITH has further statements that update.
	Others bool
}

// Set is one column that an UPDATE sets.
type Set struct {
	Column string // as PostgreSQL folds it
	// Clears: set to a constant NULL or false, so it surely does not mark a row
	// as deleted. DEFAULT is the catalog's to know.
	Clears bool
}

func classifyUpdate(n *pg.UpdateStmt) Statement {
	u := &Update{
		Target:    nameOf(n.Relation),
		Only:      !n.Relation.GetInh(),
		Where:     restricts(n.WhereClause),
		Returning: len(n.ReturningList) > 0,
	}
	for _, t := range n.TargetList {
		r := t.GetResTarget()
		value := r.GetVal()
		if m := value.GetMultiAssignRef(); m != nil { // (a, b) = …
			value = nil
			if row := m.Source.GetRowExpr(); row != nil && int(m.Colno) <= len(row.Args) {
				value = row.Args[m.Colno-1]
			}
		}
		u.Sets = append(u.Sets, Set{Column: r.GetName(), Clears: len(r.GetIndirection()) == 0 && clears(value)})
	}
	return Statement{
		Update:        u,
		UpdatesInside: true,
		// The view's rewrite rule calls set_config for every row.
		ChangesNames: n.Relation.GetRelname() == "pg_settings",
		Joins:        len(n.FromClause) > 0,
		qualifier:    qualifierOf(n.Relation, n.FromClause),
	}
}

// clears: NULL, also cast to a type, or false.
func clears(n *pg.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		value := c.Arg.GetAConst()
		if value == nil || value.Isnull {
			return clears(c.Arg)
		}
		names := c.TypeName.GetNames()
		if len(names) == 0 || names[len(names)-1].GetString_().GetSval() != "bool" {
			return false // false::text is 'false'
		}
		switch strings.ToLower(value.GetSval().GetSval()) {
		case "f", "false":
			return true
		}
		return clears(c.Arg)
	}
	c := n.GetAConst()
	return c != nil && (c.Isnull || c.GetBoolval() != nil && !c.GetBoolval().GetBoolval())
}
