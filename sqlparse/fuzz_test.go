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
// cover the text in order.
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
			end = s.Offset + len(s.Text)
		}
	})
}

// FuzzCapture: the captured form parses, and holds the client's DELETE with
// nothing but further columns to return.
func FuzzCapture(f *testing.F) {
	for _, c := range cases() {
		f.Add(c.sql)
	}
	child := Step{Schema: "s", Table: "child", Parent: 0, ParentColumns: []string{"id"}, Columns: []string{"fk"},
		Key: []KeyColumn{{"id", "int4"}}, Self: true, SelfParent: []string{"id"}, SelfColumns: []string{"up"}}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, s := range Parse(sql) {
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
