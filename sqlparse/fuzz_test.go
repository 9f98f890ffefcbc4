package sqlparse

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// FuzzScan: what Parse reports, Scan must not have let pass; and the verdicts
// cover the text in order, each the statement that the text has there.
func FuzzScan(f *testing.F) {
	for _, c := range cases() {
		for _, m := range mutations(c.sql) {
			f.Add(m)
		}
	}
	names := NewNames(map[string]int{"purge": 0, "Purge All": 0, "gr\u00f6\u00dfe": 0})
	f.Fuzz(func(t *testing.T, sql string) {
		all := Parse(sql)
		if mustLook(all) && (!names.Scan([]byte(sql)) || !(*Names)(nil).Scan([]byte(sql))) {
			t.Errorf("Scan is false, Parse says %s", summaries(all))
		}
		end := 0
		for _, s := range all {
			if s.Offset < end || sql[s.Offset:s.Offset+len(s.Text)] != s.Text {
				t.Fatalf("%q at %d", s.Text, s.Offset)
			}
			between(t, sql, end, s.Offset)
			end = s.Offset + len(s.Text)
		}
		whole, _, _ := strings.Cut(sql, "\x00")
		between(t, whole, end, len(whole))
		sameStatements(t, whole, all)
	})
}

// between: what no statement has of a text is blanks, semicolons and comments.
func between(t *testing.T, sql string, start, end int) {
	t.Helper()
	text, _ := parseable(sql[start:end])
	scan, err := pg.Scan(text)
	if err != nil {
		t.Fatalf("%q is of no statement: %v", text, err)
	}
	for _, token := range scan.Tokens {
		switch token.Token {
		case pg.Token_ASCII_59, pg.Token_SQL_COMMENT, pg.Token_C_COMMENT:
		default:
			t.Fatalf("%q of %q is of no statement", text[token.Start:token.End], sql)
		}
	}
}

// sameStatements: each statement alone is what the whole text has in its place.
func sameStatements(t *testing.T, sql string, all []Statement) {
	t.Helper()
	text, _ := parseable(sql)
	if tooDeep(text) {
		return
	}
	whole, err := pg.Parse(text)
	if err != nil {
		return
	}
	if len(whole.Stmts) != len(all) {
		t.Fatalf("%d statements, want %d", len(all), len(whole.Stmts))
	}
	for i, s := range all {
		alone, err := pg.Parse(text[s.Offset : s.Offset+len(s.Text)])
		if err != nil || len(alone.Stmts) != 1 {
			t.Fatalf("%q alone: %v", s.Text, err)
		}
		if !proto.Equal(withoutPositions(alone.Stmts[0].Stmt), withoutPositions(whole.Stmts[i].Stmt)) {
			t.Fatalf("another statement: %q", s.Text)
		}
	}
}

// FuzzCapture: the captured form parses, and holds the client's DELETE or UPDATE
// with nothing but further columns to return.
func FuzzCapture(f *testing.F) {
	for _, c := range cases() {
		f.Add(c.sql)
	}
	for _, c := range probeCases {
		f.Add(c.sql)
	}
	child := Step{Schema: "s", Table: "child", Parent: 0, ParentColumns: []string{"id"}, Columns: []string{"fk"},
		Key: []KeyColumn{{"id", "int4"}}, Self: true, SelfParent: []string{"id"}, SelfColumns: []string{"up"}}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, s := range Parse(sql) {
			if s.Update != nil {
				checkCapturedUpdate(t, s)
			}
			if s.Verb != Delete {
				continue
			}
			want := deleteIn(t, s.Text)
			for _, steps := range [][]Step{{ordersStep}, {ordersStep, child}} {
				c := Capture{Steps: steps}
				if s.Returning {
					c.ClientColumns = 3
				}
				captured, err := s.Capture(c)
				if err != nil {
					t.Fatal(err)
				}
				got := deleteIn(t, captured.SQL)
				if n := len(got.ReturningList) - len(want.ReturningList); n < 2 {
					t.Fatalf("%d columns added\n%s", n, captured.SQL)
				}
				got.ReturningList = got.ReturningList[:len(want.ReturningList)]
				if !proto.Equal(withoutPositions(got), withoutPositions(want)) {
					t.Fatalf("another DELETE:\n%s\n%s", s.Text, captured.SQL)
				}
			}
		}
	})
}

func checkCapturedUpdate(t *testing.T, s Statement) {
	t.Helper()
	captured, err := s.Capture(Capture{Steps: []Step{ordersStep}, Soft: []KeyColumn{{"deleted", "bool"}}})
	if err != nil {
		t.Fatal(err)
	}
	var updates [2]*pg.UpdateStmt
	for i, sql := range []string{s.Text, captured.SQL} {
		text, _ := parseable(sql)
		tree, err := pg.Parse(text)
		if err != nil || len(tree.Stmts) != 1 {
			t.Fatalf("%v\n%s", err, sql)
		}
		withoutPositions(tree.Stmts[0])
		updates[i] = tree.Stmts[0].Stmt.GetUpdateStmt()
	}
	want, got := updates[0], updates[1]
	if n := len(got.GetReturningList()) - len(want.GetReturningList()); n != captured.Width || n != 4 {
		t.Fatalf("%d columns added\n%s", n, captured.SQL)
	}
	got.ReturningList = got.ReturningList[:len(want.ReturningList)]
	if !proto.Equal(got, want) {
		t.Fatalf("another UPDATE:\n%s\n%s", s.Text, captured.SQL)
	}
}

// deleteIn is the DELETE of a bare or captured text.
func deleteIn(t *testing.T, sql string) *pg.DeleteStmt {
	t.Helper()
	text, _ := parseable(sql)
	tree, err := pg.Parse(text)
	if err != nil || len(tree.Stmts) != 1 {
		t.Fatalf("%v\n%s", err, sql)
	}
	if d := tree.Stmts[0].Stmt.GetDeleteStmt(); d != nil {
		return d
	}
	ctes := tree.Stmts[0].Stmt.GetSelectStmt().GetWithClause().GetCtes()
	if len(ctes) == 0 {
		t.Fatalf("neither a DELETE nor a WITH:\n%s", sql)
	}
	return ctes[0].GetCommonTableExpr().GetCtequery().GetDeleteStmt()
}

func withoutPositions(m proto.Message) proto.Message {
	walk(m.ProtoReflect(), func(m protoreflect.Message) bool {
		if f := m.Descriptor().Fields().ByName("location"); f != nil {
			m.Clear(f)
		}
		return true
	})
	return m
}

// FuzzAllowanceComment: what is read is within its bounds, and written out it
// is read again.
func FuzzAllowanceComment(f *testing.F) {
	for _, s := range []string{"5", "60000 reason=GDPR batch 7", "5 reason='it''s'", `5 reason="a""b" `, "5 reason=\xe9\x00", "05", "5 x"} {
		f.Add("/* rowback:allow=" + s + " */ DELETE FROM p")
		f.Add("-- rowback:allow=" + s + "\nDELETE FROM p")
	}
	f.Fuzz(func(t *testing.T, sql string) {
		rows, reason, ok := AllowanceComment(sql)
		if !ok && (rows != 0 || reason != "") || ok && rows < 1 || !utf8.ValidString(reason) || strings.ContainsAny(reason, "\n\r\x00") {
			t.Fatalf("%d, %q, %v", rows, reason, ok)
		}
		if !ok {
			return
		}
		again := fmt.Sprintf("-- rowback:allow=%d reason='%s'", rows, strings.ReplaceAll(reason, "'", "''"))
		if r, text, ok := AllowanceComment(again); r != rows || text != reason || !ok {
			t.Fatalf("%s: %d, %q, %v", again, r, text, ok)
		}
	})
}

// FuzzProbe: the probe is a SELECT from the statement's target that holds the
// statement's own WITH, USING (FROM) and WHERE, and nothing else of it.
func FuzzProbe(f *testing.F) {
	for _, c := range cases() {
		f.Add(c.sql)
	}
	f.Add("WITH orders AS (SELECT 1 AS id) DELETE FROM orders WHERE id IN (TABLE orders)")
	for _, c := range probeCases {
		f.Add(c.sql)
		f.Add(strings.ReplaceAll(c.sql, " ", "/* x */--\n"))
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, s := range Parse(sql) {
			if s.Verb != Delete && s.Update == nil {
				continue
			}
			probe, err := s.Probe(Capture{Steps: []Step{ordersStep}}, 10)
			if err == ErrProbe {
				t.Fatalf("no reason\n%s", s.Text)
			}
			if err == nil {
				sameRows(t, s, probe)
			}
		}
	})
}

func sameRows(t *testing.T, s Statement, probe Probe) {
	t.Helper()
	parse := func(sql string) *pg.Node {
		text, _ := parseable(sql)
		tree, err := pg.Parse(text)
		if err != nil || len(tree.Stmts) != 1 {
			t.Fatalf("%v\n%s\n%s", err, s.Text, sql)
		}
		withoutPositions(tree.Stmts[0])
		return tree.Stmts[0].Stmt
	}
	want := &pg.SelectStmt{}
	var relation *pg.RangeVar
	switch n := parse(s.Text).Node.(type) {
	case *pg.Node_DeleteStmt:
		relation, want.WithClause, want.FromClause, want.WhereClause = n.DeleteStmt.Relation, n.DeleteStmt.WithClause, n.DeleteStmt.UsingClause, n.DeleteStmt.WhereClause
	case *pg.Node_UpdateStmt:
		relation, want.WithClause, want.FromClause, want.WhereClause = n.UpdateStmt.Relation, n.UpdateStmt.WithClause, n.UpdateStmt.FromClause, n.UpdateStmt.WhereClause
	}
	for _, c := range want.WithClause.GetCtes() {
		if relation.Schemaname == "" && c.GetCommonTableExpr().GetCtename() == relation.Relname {
			relation.Schemaname = ordersStep.Schema // lest it be taken for the CTE
		}
	}
	ctes := parse(probe.SQL).GetSelectStmt().GetWithClause().GetCtes()
	if len(ctes) != 1 {
		t.Fatalf("%d parts\n%s", len(ctes), probe.SQL)
	}
	got := ctes[0].GetCommonTableExpr().GetCtequery().GetSelectStmt()
	if len(got.GetFromClause()) != 1 || !proto.Equal(got.FromClause[0].GetRangeVar(), relation) || !proto.Equal(got.WithClause, want.WithClause) {
		t.Fatalf("another target or WITH\n%s\n%s", s.Text, probe.SQL)
	}
	if len(want.FromClause) > 0 {
		got = got.WhereClause.GetSubLink().GetSubselect().GetSelectStmt()
		for i, n := range got.GetFromClause() {
			if len(got.FromClause) != len(want.FromClause) || !proto.Equal(n, want.FromClause[i]) {
				t.Fatalf("another FROM\n%s\n%s", s.Text, probe.SQL)
			}
		}
	}
	if got == nil || !proto.Equal(got.WhereClause, want.WhereClause) {
		t.Fatalf("another condition\n%s\n%s", s.Text, probe.SQL)
	}
}
