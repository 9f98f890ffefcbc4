package sqlparse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// writer writes the wrapped form:
//
//	WITH d(c1, …, t, k1, …) AS (DELETE … RETURNING …),   the client's statement
//	     s0 … AS (WITH RECURSIVE …),                     rows its own table's foreign key pulls along
//	     s3 … AS (SELECT … FROM d, LATERAL (…)),         a child table: all ways to it, each row once
//	     o5 … AS (SELECT …)                              a link that is cut
//	SELECT … FROM d UNION ALL SELECT … FROM s3 …
//
// The outer WITH is not recursive, so the client's text cannot see its names;
// child tables are qualified, so they cannot be taken for one of them.
//
// Rows are joined by the foreign key's own operators, and told apart by UNION
// and EXCEPT, which use their types' own equality: search_path decides nothing.
// LATERAL with OFFSET 0 keeps the planner on the index path that the cascade
// itself takes; a plain join hashed whole child tables.
type writer struct {
	Capture
	*graph
	width int
	sql   strings.Builder
}

func (w *writer) wrap(s Statement) (sql string, shift int, err error) {
	target := w.nodes[0]
	var client []string
	for i := range w.ClientColumns {
		client = append(client, "c"+strconv.Itoa(i+1))
	}
	own := append(slices.Clone(client), aliases(target.columns)...)
	if target.inline() {
		own = append(own, "i")
	}
	fmt.Fprintf(&w.sql, "WITH d(%s) AS (", strings.Join(own, ", "))
	shift = w.sql.Len() // all of it ASCII
	var columns []string
	for _, c := range append([]string{"tableoid"}, target.columns...) {
		columns = append(columns, s.qualified(w.Capture, c))
	}
	if target.inline() {
		columns = append(columns, imageExpr(target.step.Image, w.HexText, func(c string) string { return s.qualified(w.Capture, c) }))
	}
	w.sql.WriteString(s.returning(columns) + "\n)")
	for _, n := range w.nodes {
		w.node(n)
	}
	for _, c := range w.cuts {
		w.cut(c)
	}
	if err := w.report(client); err != nil {
		return "", 0, err
	}
	return w.sql.String(), shift, nil
}

// aliases are a CTE's names for tableoid and the carried columns.
func aliases(columns []string) []string {
	out := []string{"t"}
	for i := range columns {
		out = append(out, "k"+strconv.Itoa(i+1))
	}
	return out
}

func aliasList(columns []string) string { return strings.Join(aliases(columns), ", ") }

// alias is the CTE column that carries a node's column.
func (n *node) alias(column string) string {
	if column == "tableoid" {
		return "t"
	}
	return "k" + strconv.Itoa(slices.Index(n.columns, column)+1)
}

// cte is the name of the CTE with all of a node's rows that go.
func (n *node) cte() string {
	switch {
	case n.index != 0:
		return "s" + strconv.Itoa(n.index)
	case len(n.self) > 0 || n.circle != nil:
		return "a0"
	default:
		return "d"
	}
}

// node writes the CTE of a node's rows that follow others.
func (w *writer) node(n *node) {
	if n.once() {
		return
	}
	list := aliasList(n.columns)
	var base []string
	switch {
	case n.circle != nil:
		if n == n.circle.nodes[0] {
			w.circle(n.circle)
		}
		base = []string{w.circled(n)}
	case n.index == 0 && len(n.self) == 0:
		return
	case n.index == 0:
		base = []string{w.follow(n, "d", n.self)}
	default:
		for _, e := range n.in {
			base = append(base, w.follow(n, e.from.cte(), []edge{e}))
		}
	}
	rows := strings.Join(base, " UNION ")
	if len(n.self) > 0 && n.circle == nil {
		rows = fmt.Sprintf("WITH RECURSIVE r(%s) AS ((%s) UNION %s) SELECT %s FROM r", list, rows, w.follow(n, "r", n.self), list)
	}
	if n.index != 0 {
		if n.inline() {
			list += ", i"
		}
		fmt.Fprintf(&w.sql, ",\ns%d(%s) AS (%s)", n.index, list, rows)
		return
	}
	if n.late() && len(n.step.Key) > 0 {
		w.except(n, rows)
	} else {
		fmt.Fprintf(&w.sql, ",\ns0(%s) AS (%s EXCEPT SELECT %s FROM d)", list, rows, list)
	}
	if n.parent {
		fmt.Fprintf(&w.sql, ",\na0(%s) AS (SELECT %s FROM d UNION ALL SELECT %s FROM s0)", list, list, list)
	}
}

// except writes s0 where the rows' places are wanted, too. A place is no part of
// what tells them from d's: a row that another transaction has just changed has
// two, the one that the snapshot sees and the one that was deleted.
func (w *writer) except(n *node, rows string) {
	at, list := n.alias("ctid"), aliasList(n.columns)
	var same, chosen []string
	for _, a := range aliases(n.columns) {
		if a == at {
			chosen = append(chosen, "pg_catalog.min("+a+"::pg_catalog.text)::pg_catalog.tid")
			continue
		}
		same, chosen = append(same, a), append(chosen, a)
	}
	fmt.Fprintf(&w.sql, ",\ns0(%[1]s) AS (SELECT %[2]s FROM (SELECT %[1]s, 0 AS o FROM (%[3]s) r(%[1]s) UNION ALL SELECT %[1]s, 1 FROM d) u GROUP BY %[4]s HAVING pg_catalog.max(o) OPERATOR(pg_catalog.=) 0)",
		list, strings.Join(chosen, ", "), rows, strings.Join(same, ", "))
}

// cut writes the CTE of the rows whose link a foreign key cuts.
func (w *writer) cut(c cut) {
	columns := cutColumns(c.step)
	rows := w.rows(c.step, columns, "", c.edge.from.cte(), []edge{c.edge})
	if c.node != nil {
		removed := []string{"t"}
		for _, col := range columns {
			removed = append(removed, c.node.alias(col))
		}
		rows += " EXCEPT SELECT " + strings.Join(removed, ", ") + " FROM " + c.node.cte()
	}
	fmt.Fprintf(&w.sql, ",\no%d(%s) AS (%s)", c.index, aliasList(columns), rows)
}

func cutColumns(s Step) []string {
	columns := rowIdentity(s)
	for _, o := range names(s.Old) {
		if !slices.Contains(columns, o) {
			columns = append(columns, o)
		}
	}
	return columns
}

// follow selects a node's rows that reference the rows of a CTE.
func (w *writer) follow(n *node, from string, edges []edge) string {
	image := ""
	if n.index != 0 && n.inline() {
		image = ImageExpr("y", n.step.Image, w.HexText)
	}
	return w.rows(w.followed(n), n.columns, image, from, edges)
}

// followed is the step that n's rows are found by.
func (w *writer) followed(n *node) Step {
	step := n.step
	if n.index == 0 {
		for _, s := range w.Steps[1:] {
			step.Only = step.Only || s.Only && s.Schema == step.Schema && s.Table == step.Table
		}
	}
	return step
}

// rows selects columns of the step's table, and an expression for the image of its
// row y ("" for none), where one of the edges holds. All edges start at the same CTE.
func (w *writer) rows(step Step, columns []string, image, from string, edges []edge) string {
	var list []string
	for _, c := range append([]string{"tableoid"}, columns...) {
		list = append(list, "y."+quoteIdent(c))
	}
	if image != "" {
		list = append(list, image)
	}
	var any []string
	for _, e := range edges {
		any = append(any, refers(e, func(column string) string { return "p." + e.from.alias(column) }))
	}
	where := any[0]
	if len(any) > 1 {
		where = "(" + strings.Join(any, ") OR (") + ")"
	}
	lock := ""
	if image != "" && step.Lock {
		lock = locked
	}
	return fmt.Sprintf("SELECT x.* FROM %s p, LATERAL (SELECT %s FROM %s AS y WHERE %s OFFSET 0%s) x",
		from, strings.Join(list, ", "), table(step), where, lock)
}

// table is a step's table as a FROM item.
func table(s Step) string {
	if s.Only {
		return "ONLY " + quoteName(s.Schema, s.Table)
	}
	return quoteName(s.Schema, s.Table)
}

// refers is the condition that row y references a row by e; referenced gives that
// one's column as SQL.
func refers(e edge, referenced func(column string) string) string {
	var all []string
	for i, pair := range e.columns {
		var how Compare
		if e.compare != nil {
			how = e.compare[i]
		}
		if how.Operator == "" {
			how.Operator = "pg_catalog.="
		}
		left := referenced(pair[0])
		if how.Collation != "" {
			left = "(" + left + " COLLATE " + how.Collation + ")"
		}
		all = append(all, left+" OPERATOR("+how.Operator+") y."+quoteIdent(pair[1]))
	}
	if e.of != nil {
		all = append(all, referenced("tableoid")+" OPERATOR(pg_catalog.=) ANY ('{"+strings.Trim(strings.ReplaceAll(fmt.Sprint(e.of), " ", ","), "[]")+"}'::pg_catalog.oid[])")
	}
	return strings.Join(all, " AND ")
}

// report writes the SELECT that returns all rows.
func (w *writer) report(client []string) error {
	nothing := make([]string, len(client))
	for i := range nothing {
		nothing[i] = "NULL"
	}
	word := "\n"
	images := w.images()
	branch := func(index int, step Step, client, columns []string, image, from string) error {
		values, err := w.values(index, step, func(column string) string {
			if column == "tableoid" {
				return "t"
			}
			return "k" + strconv.Itoa(slices.Index(columns, column)+1)
		})
		if err != nil {
			return err
		}
		if images {
			values = append(values, image)
		}
		w.sql.WriteString(word + "SELECT " + strings.Join(append(slices.Clone(client), values...), ", ") + " FROM " + from)
		word = "\nUNION ALL "
		return nil
	}
	target := w.nodes[0]
	image := noImage
	if target.inline() {
		image = "i"
	}
	if err := branch(0, target.step, client, target.columns, image, "d"); err != nil {
		return err
	}
	for _, n := range w.nodes {
		index, from, image := n.index, "s"+strconv.Itoa(n.index), noImage
		if n == target {
			if len(n.self) == 0 && n.circle == nil {
				continue
			}
			index = len(w.Steps)
		}
		switch {
		case n.once():
			from, image = fmt.Sprintf("(%s) %s(%s, i)", w.follow(n, n.in[0].from.cte(), n.in), from, aliasList(n.columns)), "i"
		case n.late():
			from, image = w.fetched(n, from), "x.i"
		case n.inline():
			image = "i"
		}
		if err := branch(index, n.step, nothing, n.columns, image, from); err != nil {
			return err
		}
	}
	for _, c := range w.cuts {
		if err := branch(c.index, c.step, nothing, cutColumns(c.step), noImage, "o"+strconv.Itoa(c.index)); err != nil {
			return err
		}
	}
	return nil
}
