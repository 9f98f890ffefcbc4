package graph

import (
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// mark puts an incident's row counts on the tables.
func (b *builder) mark(e *journal.Entry) {
	if e == nil {
		return
	}
	for _, share := range e.Tables {
		var node *Table
		if t := b.snapshot.Lookup(share.Schema, share.Name); t != nil {
			node = b.tables[t.Root().OID]
		}
		if node == nil {
			b.graph.Notes = append(b.graph.Notes, journal.QuoteName(share.Schema, share.Name)+" is not shown: "+recovery.Plural(share.Rows, "row")+" of it took part in the incident")
			continue
		}
		node.Asked = true
		if share.Via == journal.SetNull || share.Via == journal.SetDef {
			node.Cut += share.Rows
		} else {
			node.Removed += share.Rows
		}
		if !slices.Contains(node.Via, share.Via) {
			node.Via = append(node.Via, share.Via)
		}
	}
}

// marks are an incident's lines on a table: "1,237 removed (direct)".
func (g *Graph) marks(t *Table) (lines []string) {
	if g.Incident == nil {
		return nil
	}
	removed, cut := " removed", " cut loose"
	switch g.Incident.Outcome {
	case journal.Blocked, journal.RolledBack:
		removed, cut = " would be removed", " would be cut loose"
	}
	if t.Removed > 0 {
		var via []string
		for _, v := range t.Via {
			if v != journal.SetNull && v != journal.SetDef {
				via = append(via, string(v))
			}
		}
		lines = append(lines, recovery.Grouped(t.Removed)+removed+" ("+strings.Join(via, ", ")+")")
	}
	if t.Cut > 0 {
		lines = append(lines, recovery.Grouped(t.Cut)+cut)
	}
	return lines
}

// about are the lines under a table's name.
func (g *Graph) about(t *Table) (lines []string) {
	switch {
	case t.Estimated >= 0 && t.Partitions > 0:
		lines = append(lines, "~"+recovery.Plural(t.Estimated, "row")+" in "+recovery.Plural(int64(t.Partitions), "partition"))
	case t.Estimated >= 0:
		lines = append(lines, "~"+recovery.Plural(t.Estimated, "row"))
	}
	return append(lines, g.marks(t)...)
}

// title says what is drawn.
func (g *Graph) title() string {
	if g.Incident == nil {
		return ""
	}
	rows := recovery.Plural(g.Incident.Rows, "row")
	if g.Incident.Outcome != journal.RolledBack && g.Incident.Outcome != journal.Blocked && recovery.Unnumbered(g.Incident) {
		rows = "rows that nobody could count"
	}
	return "Incident " + g.Incident.ID + ": " + rows + ", " + strings.ReplaceAll(string(g.Incident.Outcome), "_", " ")
}

// action is what becomes of child rows, as SQL says it.
func (k *Key) action() string {
	switch k.OnDelete {
	case catalog.Cascade:
		return "CASCADE"
	case catalog.SetNull:
		return "SET NULL"
	case catalog.SetDefault:
		return "SET DEFAULT"
	case catalog.Restrict:
		return "RESTRICT"
	}
	return "NO ACTION"
}

// columns are the referencing ones.
func (k *Key) columns() string {
	text := strings.Join(k.Columns, ", ")
	if !k.Validated {
		text += " (not valid)"
	}
	return text
}

// cuts: a deletion above changes the child's rows but leaves them.
func (k *Key) cuts() bool { return k.OnDelete == catalog.SetNull || k.OnDelete == catalog.SetDefault }
