package sqlparse

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Probe is a SELECT that counts the rows which a DELETE would remove, cascades
// included, or an UPDATE would change. It writes nothing and locks no row.
//
// Its result is one row for each step that has any: the step's index and the
// number of rows, both text. A table's rows come under the first step that
// reaches it, as with Capture; those that a self-reference pulls along under the
// step itself. Rows whose link is cut are not counted: they stay.
//
// It stops at max rows in all: a sum of max means "max or more", a smaller one
// is exact, under the snapshot that the SELECT has. Each table is read as the
// rows are needed: where the condition is met early, little is read; where it
// is rarely met, or a child has no index for its foreign key, as much as the
// statement itself would read. Put a timeout on it.
//
// It takes the statement's own parameters: Parse it with all the types that the
// server describes for the original, also those that occur only in RETURNING or
// SET, and bind it with the client's own values.
//
// What it cannot know: rows kept by a trigger, a rule, or a policy for DELETE
// (row security shows it what SELECT may see: do not probe where that is
// active), and rows removed by triggers.
type Probe struct {
	SQL string
	// Functions are the functions called in what is evaluated once more (the
	// condition, WITH, USING or FROM): lower-case, without schema, sorted. A
	// volatile one must not run twice. Not in here is what views, operators and
	// casts call, and the notation row.function.
	Functions []string
}

// ErrProbe: the statement's rows cannot be counted without running it: WHERE
// CURRENT OF, FOR UPDATE inside, a WITH that writes, foreign keys that form a
// cycle through several tables, or no DELETE or UPDATE at all.
var ErrProbe = errors.New("the statement cannot be probed")

// Probe writes the probe of a DELETE or UPDATE, which has no other step than its
// target. c is as for Capture; ClientColumns, HexText, Old, Image and Lock have no meaning.
func (s Statement) Probe(c Capture, max int64) (Probe, error) {
	if s.Verb != Delete && s.Update == nil || max < 1 {
		return Probe{}, ErrProbe
	}
	c.Steps = slices.Clone(c.Steps)
	for i := range c.Steps { // which would be read to be counted, and locked
		c.Steps[i].Image, c.Steps[i].Lock = nil, false
	}
	g, err := newGraph(c.Steps)
	switch {
	case errors.Is(err, ErrKeyType):
		return Probe{}, fmt.Errorf("%w: %w", ErrProbe, err)
	case err != nil:
		return Probe{}, err
	case slices.ContainsFunc(g.nodes, func(n *node) bool { return n.circle != nil }):
		return Probe{}, fmt.Errorf("%w: %w", ErrProbe, ErrShape)
	case s.Update != nil && !g.single():
		return Probe{}, errUpdateSteps
	}
	p, ok := s.cut()
	if !ok {
		return Probe{}, ErrProbe
	}
	functions, err := p.functions()
	if err != nil {
		return Probe{}, err
	}
	if p.target, err = p.uncovered(c.Steps[0]); err != nil {
		return Probe{}, err
	}
	w := writer{Capture: c, graph: g}
	w.probe(p, quoteIdent(s.qualifier[len(s.qualifier)-1]), max)
	return Probe{SQL: w.sql.String(), Functions: functions}, nil
}

// functions lists what the pieces call, and refuses what must not run twice or
// cannot run in a SELECT.
func (p pieces) functions() (names []string, err error) {
	visit := func(m protoreflect.Message) bool {
		switch n := m.Interface().(type) {
		case *pg.FuncCall:
			names = append(names, strings.ToLower(n.Funcname[len(n.Funcname)-1].GetString_().GetSval()))
		case *pg.LockingClause:
			err = fmt.Errorf("%w: it locks rows by itself", ErrProbe)
		case *pg.CurrentOfExpr:
			err = fmt.Errorf("%w: WHERE CURRENT OF", ErrProbe)
		case *pg.InsertStmt, *pg.UpdateStmt, *pg.DeleteStmt, *pg.MergeStmt:
			err = fmt.Errorf("%w: its WITH writes", ErrProbe)
		}
		return err == nil
	}
	walk(p.ctes.ProtoReflect(), visit)
	for _, n := range p.read {
		walk(n.ProtoReflect(), visit)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// uncovered is the target as a SELECT must name it: a statement's target is
// always a table, but in FROM a name of WITH comes first.
func (p pieces) uncovered(target Step) (string, error) {
	for _, c := range p.ctes.GetCtes() {
		if p.relation.Schemaname != "" || c.GetCommonTableExpr().GetCtename() != p.relation.Relname {
			continue
		}
		if target.Table != p.relation.Relname {
			return "", fmt.Errorf("%w: its WITH has the name of its target", ErrProbe)
		}
		return p.target[:p.name] + quoteIdent(target.Schema) + "." + p.target[p.name:], nil
	}
	return p.target, nil
}

// probe writes:
//
//	WITH d(t, k1, …) AS (SELECT … FROM <target> WHERE <condition> LIMIT max),
//	     s3 … AS (…)                                  as Capture has them
//	SELECT i, count(*) FROM (SELECT 0 FROM d UNION ALL SELECT 3 FROM s3 … LIMIT max) GROUP BY i
//
// Every part gives its rows as they are asked for, so the LIMIT of all ends it
// all; where a part must have its input whole (UNION), that has a LIMIT of its own.
func (w *writer) probe(p pieces, qualifier string, max int64) {
	limit := " LIMIT " + strconv.FormatInt(max, 10)
	target := w.nodes[0]
	columns := []string{"1"}
	list := "t"
	if len(w.nodes) > 1 || len(target.self) > 0 {
		columns = []string{qualifier + `."tableoid"`}
		for _, c := range target.columns {
			columns = append(columns, qualifier+"."+quoteIdent(c))
		}
		list = aliasList(target.columns)
	}
	fmt.Fprintf(&w.sql, "WITH d(%s) AS (%sSELECT %s FROM %s\n", list, p.with, strings.Join(columns, ", "), p.target)
	where := ""
	if p.where != "" {
		where = "WHERE " + p.where + "\n"
	}
	if p.from != "" { // a row goes once, however many it is joined with
		where = "WHERE EXISTS (SELECT 1 FROM " + p.from + "\n" + where + ")"
	}
	w.sql.WriteString(where + limit + ")")
	for _, n := range w.nodes {
		w.probeNode(n, limit)
	}
	word := "\nSELECT x.i::pg_catalog.text, pg_catalog.count(*)::pg_catalog.text FROM ("
	for _, n := range w.nodes {
		fmt.Fprintf(&w.sql, "%sSELECT %d FROM %s", word, n.index, n.cte())
		word = " UNION ALL "
	}
	w.sql.WriteString(limit + ") x(i) GROUP BY x.i ORDER BY x.i")
}

// probeNode writes the CTE of all of a node's rows; d has those of the target
// if it has no self-reference.
func (w *writer) probeNode(n *node, limit string) {
	list := aliasList(n.columns)
	var base []string
	for _, e := range n.in {
		base = append(base, "("+w.follow(n, e.from.cte(), []edge{e})+limit+")")
	}
	if n.index == 0 {
		base = []string{"SELECT " + list + " FROM d"}
	}
	rows := strings.Join(base, " UNION ")
	switch {
	case len(n.self) > 0:
		rows = fmt.Sprintf("WITH RECURSIVE r(%s) AS ((%s) UNION %s) SELECT %s FROM r%s", list, rows, w.follow(n, "r", n.self), list, limit)
	case n.index == 0:
		return
	}
	fmt.Fprintf(&w.sql, ",\n%s(%s) AS (%s)", n.cte(), list, rows)
}
