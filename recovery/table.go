package recovery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// table is one table that rows are restored into: its two sides, and its
// temporary tables in our session on production.
type table struct {
	live     *catalog.Table
	backup   *catalog.Table // nil: the rows come from images alone
	noBackup string         // why
	detail   *detail        // of live
	config   *TableConfig   // never nil
	key      []string
	fetched  []string    // in both, none generated, in live's order; what travels from the recovery database
	items    []string    // one of fetched: what the recovery database is asked for, over row b and the expressions x
	casts    []cast      // columns whose type differs between the sides
	declared []reference // polymorphic ones, from the configuration
	binary   bool        // rows travel in COPY's binary form

	images  []*imageFeed
	byKey   bool       // keys are looked up in the recovery database
	kinds   [][]string // the columns known of a staged row, by its kind; see kind.go
	used    []int      // the kinds that there may be
	columns []string   // known of a row of some kind, in live's order
	always  []string   // of them, those known of every row

	referred []string         // columns that polymorphic references of other tables lead to
	derived  map[string][]int // generated columns that staging makes: of rows of which kinds; see generated.go

	arbiters []arbiter // see arbitrate

	in   string // temporary table: rows to insert; columns, and those of kind.go
	left string // temporary table: rows that stay out, with class and reason
	land string // temporary table: rows as text before their casts; "" without casts

	mark    *mark // soft deletes of its rows; nil: none
	others  *otherMarks
	done    bool  // restored by an earlier transaction of this restore
	pending batch // keys not yet asked for
	feed    int   // whose the last one is
	count   Count
	unknown int64  // rows that production has and the recovery database has not
	again   string // temporary table: rows that were restored and removed again; "": there are none. See removedAgain
}

// cast is a column whose value is converted through text on its way.
type cast struct{ column, liveType, backupType string }

// Classes of rows that stay out, as in the temporary table left.
const (
	classDifferent = "different"
	classConflict  = "conflict"
	classParent    = "parent" // hangs on a parent that is gone or stays out
	classMissing   = "missing"
	classFiltered  = "filtered" // by the configuration
	classHeld      = "held"     // in production, its soft delete cannot be set back
)

func (t *table) name() string { return display(t.live) }

// hasAll: the columns are known of every staged row.
func (t *table) hasAll(columns []string) bool {
	return !slices.ContainsFunc(columns, func(c string) bool {
		return !slices.Contains(t.always, c) && (t.derived[c] == nil || len(t.derived[c]) < len(t.used))
	})
}

// hasSome: they are of some rows. In the others one of them is NULL, so that these
// refer to nothing, and nothing to them.
func (t *table) hasSome(columns []string) bool { return len(t.knowing(columns)) > 0 }

// find looks a table up by name; schema "" means the one table of that name,
// of several the one in schema public.
func find(s *catalog.Snapshot, schema, name string) (*catalog.Table, error) {
	if schema != "" {
		if t := s.Lookup(schema, name); t != nil {
			return t, nil
		}
		return nil, fmt.Errorf("table %s does not exist in database %s", journal.QuoteName(schema, name), s.Database)
	}
	if t := s.Lookup("public", name); t != nil {
		return t, nil
	}
	found := slices.DeleteFunc(slices.Clone(s.Named(name)), func(t *catalog.Table) bool { return t.Temporary })
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("table %s does not exist in database %s", journal.QuoteName("", name), s.Database)
	}
	var names []string
	for _, t := range found {
		names = append(names, display(t))
	}
	slices.Sort(names)
	return nil, fmt.Errorf("table %s is in several schemas: say which of %s", name, strings.Join(names, ", "))
}

// unsupported says why rows cannot be restored into, or taken from, t; or "".
func unsupported(t *catalog.Table) string {
	switch {
	case t.Kind == 'v' || t.Kind == 'm':
		return "it is a view"
	case t.Kind == 'f':
		return "it is a foreign table"
	case t.Kind != 'r' && t.Kind != 'p':
		return "it is not a table"
	case t.Temporary:
		return "it is a temporary table"
	}
	for _, c := range t.Columns {
		if strings.HasPrefix(c.Name, "rowback_") {
			return "its column " + c.Name + " has a name of the kind that rowback takes for its own; copy its rows by hand"
		}
	}
	return ""
}
