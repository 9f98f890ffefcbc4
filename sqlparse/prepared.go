package sqlparse

import pg "github.com/pganalyze/pg_query_go/v5"

// Prepared is the verdict on what an SQL PREPARE prepares, without Text and
// Offset; a text that is not one PREPARE is Unknown.
func Prepared(sql string) Statement {
	text, opaque := parseable(sql)
	if tooDeep(text) {
		return unknownVerdict()
	}
	tree, err := pg.Parse(text)
	if err != nil || len(tree.Stmts) != 1 || tree.Stmts[0].Stmt.GetPrepareStmt() == nil {
		return unknownVerdict()
	}
	s := classify(tree.Stmts[0].Stmt.GetPrepareStmt().Query)
	if opaque {
		s = s.certain()
	}
	return s
}
