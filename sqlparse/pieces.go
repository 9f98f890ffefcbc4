package sqlparse

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v5"
)

// pieces are the parts of a DELETE's or UPDATE's text from which a SELECT of
// the same rows is made. Each may end in a line comment.
type pieces struct {
	with   string // all before the verb: comments, WITH
	target string // ONLY, the name, the alias
	name   int    // where in target the name stands
	from   string // behind USING (FROM)
	where  string // behind WHERE

	relation *pg.RangeVar
	ctes     *pg.WithClause
	read     []*pg.Node // what the SELECT evaluates: FROM and WHERE
}

// cut finds the pieces of a text that Parse calls a DELETE or UPDATE. Keywords
// count outside of parentheses alone; all but SET are reserved, so they are
// names only behind a dot.
func (s Statement) cut() (p pieces, ok bool) {
	text, _ := parseable(s.Text)
	tree, err := pg.Parse(text)
	if err != nil || len(tree.Stmts) != 1 {
		return p, false
	}
	update := false
	switch n := tree.Stmts[0].Stmt.GetNode().(type) {
	case *pg.Node_DeleteStmt:
		p.relation, p.ctes, p.read = n.DeleteStmt.Relation, n.DeleteStmt.WithClause, append(n.DeleteStmt.UsingClause, n.DeleteStmt.WhereClause)
	case *pg.Node_UpdateStmt:
		update = true
		p.relation, p.ctes, p.read = n.UpdateStmt.Relation, n.UpdateStmt.WithClause, append(n.UpdateStmt.FromClause, n.UpdateStmt.WhereClause)
	default:
		return p, false
	}
	scan, err := pg.Scan(text)
	if err != nil {
		return p, false
	}
	tokens := slices.DeleteFunc(scan.Tokens, func(t *pg.ScanToken) bool {
		return t.Token == pg.Token_SQL_COMMENT || t.Token == pg.Token_C_COMMENT
	})
	name := slices.IndexFunc(tokens, func(t *pg.ScanToken) bool { return t.Start == p.relation.Location })
	is := func(i int, kind pg.Token) bool { return i >= 0 && i < len(tokens) && tokens[i].Token == kind }
	first := name
	if is(first-1, pg.Token_ASCII_40) {
		first--
	}
	if is(first-1, pg.Token_ONLY) {
		first--
	}
	verb := first - 1
	if !update {
		verb-- // FROM
	}
	if name < 0 || verb < 0 {
		return p, false
	}
	p.with = s.Text[:tokens[verb].Start]
	piece, begin, next := &p.target, int(tokens[first].Start), first
	p.name = int(p.relation.Location) - begin
	if update {
		next = setAfter(is, name)
		if !is(next, pg.Token_SET) {
			return p, false
		}
		p.target, piece = s.Text[begin:tokens[next].Start], nil
		next++
	}
	depth := 0
	end := len(s.Text)
	for i := next; i < len(tokens) && end == len(s.Text); i++ {
		t := tokens[i]
		into := piece
		switch t.Token {
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			depth++
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			depth--
		case pg.Token_USING:
			if !update && piece == &p.target {
				into = &p.from
			}
		case pg.Token_FROM:
			if update && piece == nil && !is(i-1, pg.Token_DISTINCT) { // IS DISTINCT FROM
				into = &p.from
			}
		case pg.Token_WHERE:
			into = &p.where
		case pg.Token_RETURNING:
			if depth == 0 && !is(i-1, pg.Token_ASCII_46) {
				end = int(t.Start)
			}
		}
		if into == piece || depth > 0 || is(i-1, pg.Token_ASCII_46) {
			continue
		}
		if piece != nil {
			*piece = s.Text[begin:t.Start]
		}
		piece, begin = into, int(t.End)
	}
	if piece != nil {
		*piece = s.Text[begin:end]
	}
	return p, true
}

// setAfter is the index of an UPDATE's SET, given that of its target's name.
func setAfter(is func(int, pg.Token) bool, i int) int {
	part := func() {
		if i++; is(i, pg.Token_UESCAPE) { // U&"…" UESCAPE '!'
			i += 2
		}
	}
	for part(); is(i, pg.Token_ASCII_46); part() {
		i++
	}
	if is(i, pg.Token_ASCII_42) {
		i++
	}
	if is(i, pg.Token_ASCII_41) {
		i++
	}
	switch {
	case is(i, pg.Token_AS):
		i++
		part()
	case !is(i, pg.Token_SET): // the grammar takes a bare SET for the keyword
		part()
	}
	return i
}
