package sqlparse

import (
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v5"
)

// Parse splits a query text into its statements and says of each what it may
// remove. It never fails: a text that does not parse is split at its
// semicolons, and a piece that does not parse alone is Unknown. No statements
// (an empty text, only comments) gives nil. As the server does, it reads up to
// the first NUL.
//
// It reads strings as a session with standard_conforming_strings on does, in
// UTF-8 or any encoding whose multibyte characters have no byte below 0x80;
// other sessions need ParseBackslash.
func Parse(sql string) []Statement {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		sql = sql[:i]
	}
	text, opaque := parseable(sql)
	if tooDeep(text) {
		return []Statement{unknown(sql, 0)}
	}
	tree, err := pg.Parse(text)
	if err != nil {
		return parsePieces(sql, text, opaque)
	}
	var all []Statement
	for _, raw := range tree.Stmts {
		start := int(raw.StmtLocation)
		end := len(sql)
		if raw.StmtLen != 0 {
			end = start + int(raw.StmtLen)
		}
		s := classify(raw.Stmt)
		if opaque {
			s = s.certain()
		}
		s.Text, s.Offset = trim(sql, start, end)
		all = append(all, s)
	}
	return all
}

// placeholder stands for a byte that is no UTF-8. It is no identifier
// character, so outside of quotes it cannot pass for part of a name.
const placeholder = '\x7f'

// parseable is sql with what pg_query cannot read replaced byte for byte: its
// tree must be UTF-8, but a client's encoding need not be. opaque: something
// was replaced, so names in the tree may be wrong.
func parseable(sql string) (text string, opaque bool) {
	if utf8.ValidString(sql) {
		return sql, false
	}
	b := []byte(sql)
	for i, c := range b {
		if c >= utf8.RuneSelf {
			b[i] = placeholder
		}
	}
	return string(b), true
}

// parsePieces judges a text that does not parse as a whole.
func parsePieces(sql, text string, opaque bool) []Statement {
	scan, err := pg.Scan(text)
	if err != nil {
		return []Statement{unknown(sql, 0)}
	}
	var pieces []Statement
	start, parens, tokens := 0, 0, 0
	piece := func(end int) {
		if tokens == 0 {
			start = end + 1
			return
		}
		s := unknownVerdict()
		if tree, err := pg.Parse(text[start:end]); err == nil && len(tree.Stmts) == 1 {
			if s = classify(tree.Stmts[0].Stmt); opaque {
				s = s.certain()
			}
		} else if opaque {
			s = savepointOr(s, sql[start:end])
		}
		s.Text, s.Offset = trim(sql, start, end)
		pieces = append(pieces, s)
		start, tokens = end+1, 0
	}
	for _, t := range scan.Tokens {
		switch t.Token {
		case pg.Token_SQL_COMMENT, pg.Token_C_COMMENT:
			continue
		case pg.Token_ATOMIC:
			// A function body in SQL has semicolons of its own.
			return []Statement{unknown(sql, 0)}
		case pg.Token_ASCII_40:
			parens++
		case pg.Token_ASCII_41:
			parens--
		case pg.Token_ASCII_59:
			if parens <= 0 {
				piece(int(t.Start))
				parens = 0
				continue
			}
		}
		tokens++
	}
	piece(len(text))
	return pieces
}

// savepointOr is the verdict on a text that is no UTF-8 if it is about a savepoint: what
// follows from that hangs on the verb, of the name it is enough that it is not ASCII.
func savepointOr(s Statement, sql string) Statement {
	word := strings.Map(func(c rune) rune {
		if c >= utf8.RuneSelf {
			return '_'
		}
		return c
	}, sql)
	tree, err := pg.Parse(word)
	if err != nil || len(tree.Stmts) != 1 || tree.Stmts[0].Stmt.GetTransactionStmt() == nil {
		return s
	}
	is := classify(tree.Stmts[0].Stmt)
	if is.Savepoint == "" {
		return s
	}
	is.Savepoint += string(placeholder)
	return is
}

func unknownVerdict() Statement {
	return Statement{Verb: Unknown, DDL: true, ChangesNames: true}
}

func unknown(sql string, offset int) Statement {
	s := unknownVerdict()
	s.Text, s.Offset = trim(sql, offset, len(sql))
	return s
}

// trim cuts white space off both ends, as every PostgreSQL's lexer knows it: a vertical
// tab is an error before 16.
func trim(sql string, start, end int) (string, int) {
	blank := func(c byte) bool { return isSpace(c) && c != '\v' }
	for start < end && blank(sql[start]) {
		start++
	}
	for start < end && blank(sql[end-1]) {
		end--
	}
	return sql[start:end], start
}

func isSpace(c byte) bool {
	return c == ' ' || (c >= '\t' && c <= '\r')
}

// certain is the verdict on an opaque text: Unknown if a name in it may be
// wrong. An UPDATE then stays Plain, without saying of what; the names of savepoints and
// prepared transactions stay as they are, with a placeholder for each byte.
func (s Statement) certain() Statement {
	wrong := func(names ...string) bool { return strings.IndexByte(strings.Join(names, ""), placeholder) >= 0 }
	if u := s.Update; u != nil {
		names := append([]string{u.Target.Schema, u.Target.Name}, s.qualifier...)
		for _, set := range u.Sets {
			names = append(names, set.Column)
		}
		if wrong(names...) {
			s.Update, s.qualifier = nil, nil
		}
		return s
	}
	all := append([]string{s.Target.Schema, s.Target.Name}, s.qualifier...)
	for _, t := range s.Targets {
		all = append(all, t.Schema, t.Name)
	}
	if wrong(all...) {
		return unknownVerdict()
	}
	return s
}
