package sqlparse

import "strings"

// ImageColumn is a column of a row's image.
type ImageColumn struct {
	Name string
	// Text: the column's text is kept in UTF-8, not its type's binary form: there
	// is none, or it depends on the session's encoding.
	Text bool
}

// ImageExpr is an expression for a row's image, a bytea: its columns as
// record_send writes them (the number of columns; of each its type's OID, its
// length or -1 for NULL, and its bytes; all numbers are int32 in network order).
// qualifier is the table's alias as SQL. Binary forms do not depend on the
// session's DateStyle, extra_float_digits or bytea_output; the text within them is
// in its client_encoding. recode: that is not UTF8, so the columns with Text
// come as bytea in UTF-8.
func ImageExpr(qualifier string, columns []ImageColumn, recode bool) string {
	return imageExpr(columns, recode, func(column string) string { return qualifier + "." + quoteIdent(column) })
}

func imageExpr(columns []ImageColumn, recode bool, name func(string) string) string {
	fields := make([]string, len(columns))
	for i, c := range columns {
		fields[i] = name(c.Name)
		if c.Text {
			fields[i] = "(" + fields[i] + ")::pg_catalog.text"
		}
		if c.Text && recode {
			fields[i] = "pg_catalog.convert_to(" + fields[i] + ", 'UTF8')"
		}
	}
	return "pg_catalog.record_send(ROW(" + strings.Join(fields, ", ") + "))"
}

const noImage = "NULL::pg_catalog.bytea"

// images: any step wants its rows' images.
func (w *writer) images() bool {
	for _, s := range w.Steps {
		if len(s.Image) > 0 {
			return true
		}
	}
	return false
}

// inline: the image travels in the node's CTE beside the row's values. Where rows
// come in several ways, that would have the server compare images, in memory for a
// recursion: there the row is found again by its place, in the snapshot that all
// parts of the statement see.
func (n *node) inline() bool {
	return len(n.step.Image) > 0 && (n.index == 0 || len(n.self) == 0 && len(n.in) == 1 && n.circle == nil)
}

// late: the image is fetched when the rows are reported.
func (n *node) late() bool {
	return len(n.step.Image) > 0 && (len(n.self) > 0 || len(n.in) > 1 || n.circle != nil)
}

// locked, behind the SELECT that reads the images of a cascade's rows: all parts of the
// statement see one snapshot, and the cascade takes the rows as they are when it comes to
// them. The lock, which is the cascade's own, waits for whoever has a row, returns it as it
// is by then if it still belongs there, and keeps it so. Where a row is found by its
// place, one that has changed is not found again: NULL is its image then.
//
// What the statement itself has changed or removed by then (a BEFORE trigger may) cannot
// be locked, and is left out. Who has a snapshot for the whole transaction needs no lock:
// the cascade fails if it meets another version.
const locked = " FOR UPDATE OF y"

// once: only the report reads the node. A locking CTE would be held in memory or in
// a file, whole, where the planner takes others into their place.
func (n *node) once() bool {
	return n.index != 0 && n.inline() && n.step.Lock && !n.parent
}

// fetched is a CTE of n's rows with their images i, fetched late.
func (w *writer) fetched(n *node, from string) string {
	join, only, on, lock := ", ", "", "", ""
	if n.step.Lock {
		join, on, lock = " LEFT JOIN ", " ON true", locked
	}
	if w.followed(n).Only {
		only = "ONLY "
	}
	return from + " p" + join + "LATERAL (SELECT " + ImageExpr("y", n.step.Image, w.HexText) + " AS i FROM " + only + quoteName(n.step.Schema, n.step.Table) +
		" AS y WHERE y.ctid OPERATOR(pg_catalog.=) p." + n.alias("ctid") + " AND y.tableoid OPERATOR(pg_catalog.=) p.t OFFSET 0" + lock + ") x" + on
}
