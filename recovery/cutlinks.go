package recovery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// CutLinks names the foreign keys by which a deletion from the tables cuts the links
// of rows that stay (ON DELETE SET NULL, SET DEFAULT). Keys of the rows that went tell
// nothing of those links. "" if there is none.
func CutLinks(tables []*catalog.Table) string {
	var out []string
	for _, t := range tables {
		family := []*catalog.Table{t}
		if t.Kind == 'p' {
			family = append(family, t.Leaves()...)
		}
		for _, p := range family {
			for _, fk := range p.ReferencedBy {
				action := "SET NULL"
				switch fk.OnDelete {
				case catalog.SetNull:
				case catalog.SetDefault:
					action = "SET DEFAULT"
				default:
					continue
				}
				line := fmt.Sprintf("%s (%s) to %s, ON DELETE %s", display(fk.Child.Root()), strings.Join(fk.SetColumns(), ", "), display(t), action)
				if !slices.Contains(out, line) { // partitions have copies
					out = append(out, line)
				}
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// warnCutLinks: a file has the keys of rows, not the links that their deletion cut.
func (r *restore) warnCutLinks() {
	if !r.o.Source.fromFile() {
		return
	}
	var tables []*catalog.Table
	for _, t := range r.tables {
		tables = append(tables, t.live)
	}
	if links := CutLinks(tables); links != "" {
		r.warn("links to these rows may have been cut when they were deleted, and stay cut: " + links + "; `rowback diff --rows` counts the rows that are not as in the backup, with --out FILE it names them")
	}
}
