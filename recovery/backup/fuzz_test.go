package backup

import (
	"errors"
	"io"
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// What is read of a plain dump is one statement at a time, as PostgreSQL's own scanner
// tells them apart, or nothing: a second one behind it would go past treat.
func FuzzScript(f *testing.F) {
	for _, seed := range []string{
		dumpComment + "\n\nSET client_encoding = 'UTF8';\nCREATE TABLE public.p (\n    id integer NOT NULL\n);\nCOPY public.p (id) FROM stdin;\n1\n\\.\n" + dumpComment + " complete\n",
		"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT ';' $_$;\nSELECT 1;\n", "CREATE FUNCTION f() RETURNS int\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 1;\n SELECT CASE WHEN true THEN 1 END;\nEND;\nSELECT 2;\n",
		"INSERT INTO p VALUES (E'\\';', 'a''b;', \"c\");\n", "\\restrict x\n/* ; /* */ ; */ SELECT 1;\n", "CREATE RULE r AS ON INSERT TO p DO ( SELECT 1; SELECT 2 );\n", "SELECT $a$;$b$;$a$ -- ;\n;\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := newScript(strings.NewReader(text))
		for {
			statement, err := s.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !strings.HasPrefix(err.Error(), "line ") {
					t.Fatalf("%v: it does not say where", err)
				}
				return
			}
			if !strings.Contains(text, strings.TrimSpace(statement)) && !strings.Contains(text, "\\") {
				t.Fatalf("%q is not in the dump", statement)
			}
			how, _, err := treat(statement)
			// It takes the statements of a BEGIN ATOMIC apart.
			if parts, scanned := pg_query.SplitWithScanner(statement, true); scanned == nil && len(parts) > 1 && !strings.Contains(strings.ToLower(statement), "atomic") {
				t.Fatalf("%q is taken for one statement: %q", statement, parts)
			}
			if err != nil || how != copyRows {
				continue
			}
			rows := &data{s: s}
			if _, err := io.Copy(io.Discard, rows); err != nil {
				return
			}
		}
	})
}
