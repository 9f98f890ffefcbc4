package sqlparse

import "testing"

func TestParseBackslash(t *testing.T) {
	const hidden = `SELECT '\''; DELETE FROM p; --'`
	if got := summaries(Parse(hidden)); got != "Plain" {
		t.Errorf("with standard_conforming_strings on: %s", got)
	}
	const unknown = "Unknown ddl names"
	for _, c := range []struct {
		sql        string
		conforming bool
		encoding   string
		want       string
	}{
		{hidden, false, "UTF8", unknown + "; Delete p"},
		{`DELETE FROM p`, false, "UTF8", "Delete p"},
		{`BEGIN; SELECT 'a\b'; DELETE FROM p; COMMIT`, false, "UTF8", "Begin; " + unknown + "; Delete p; Commit"},
		{`SELECT E'\''; DELETE FROM p; SELECT 'x\\'; DELETE FROM q`, false, "UTF8", unknown + "; Delete p; " + unknown + "; Delete q"},
		{`SELECT N'\''; SELECT "\"; DELETE FROM p; SELECT $a$\'$a$; SELECT B'1', X'ff', 'it''s\'; '`, false, "UTF8", unknown + "; " + unknown + "; Delete p; " + unknown + "; " + unknown},
		{"SELECT 1 -- \\'\n; DELETE FROM p; SELECT /* \\' /* ' */ */ 2; SELECT '\\''", false, "UTF8", unknown + "; Delete p; " + unknown + "; " + unknown},
		{"SELECT a$b\\c$; DELETE FROM p", false, "UTF8", unknown + "; Delete p"},
		{"BEGIN; INSERT INTO p VALUES (3, '\x95\x5c'); COMMIT", true, "SJIS", "Begin; " + unknown + "; Commit"},
		{"SELECT '\xb1'; DELETE FROM p; SELECT '\x95\x5c'", true, "SJIS", "Plain; Delete p; " + unknown},
		{"SELECT '\xb1\x27; DELETE FROM p; SELECT \x27\xa4\x5c'", true, "GBK", unknown},
		{"SELECT '\x95\x5c', 'a\\'' ; DELETE FROM p", false, "BIG5", unknown + "; Delete p"},
		{"SELECT '\x81\x30\x81\x30\x95\x5c'; DELETE FROM p", true, "GB18030", unknown + "; Delete p"},
	} {
		if got := summaries(ParseBackslash(c.sql, c.conforming, c.encoding)); got != c.want {
			t.Errorf("%q: %s, want %s", c.sql, got, c.want)
		}
	}
}

// Statements are in their order, and as they stand in the text.
func FuzzParseBackslash(f *testing.F) {
	for _, s := range []string{`SELECT '\''; DELETE FROM p; --'`, `a$b\c$;'\`, "'\x95\x5c';\xb1\\"} {
		f.Add(s, false, "SJIS")
		f.Add(s, true, "GB18030")
	}
	f.Fuzz(func(t *testing.T, sql string, conforming bool, encoding string) {
		at := 0
		for _, s := range ParseBackslash(sql, conforming, encoding) {
			if s.Offset < at || s.Offset+len(s.Text) > len(sql) || sql[s.Offset:s.Offset+len(s.Text)] != s.Text {
				t.Fatalf("statement %q at %d", s.Text, s.Offset)
			}
			at = s.Offset + len(s.Text)
		}
	})
}
