package backup

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v5"
)

var scripts = []string{
	dumpComment + "\n\nSET client_encoding = 'UTF8';\nCREATE TABLE public.p (\n    id integer NOT NULL\n);\nCOPY public.p (id) FROM stdin;\n1\n\\.\n" + dumpComment + " complete\n",
	"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT ';' $_$;\nSELECT 1;\n", "CREATE FUNCTION f() RETURNS int\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 1;\n SELECT CASE WHEN true THEN 1 END;\nEND;\nSELECT 2;\n",
	"INSERT INTO p VALUES (E'\\';', 'a''b;', \"c\");\n", "\\restrict x\n/* ; /* */ ; */ SELECT 1;\n", "CREATE RULE r AS ON INSERT TO p DO ( SELECT 1; SELECT 2 );\n", "SELECT $a$;$b$;$a$ -- ;\n;\n",
	"--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\nSET client_encoding = 'UTF8';\n\nCREATE TABLE public.t (\n    id integer, -- ;\n    note text DEFAULT 'a;\n'\n);\n\nCOPY public.t (id, note) FROM stdin;\n1\t;\n2\t\\N\n\\.\n\n\\unrestrict x\n--\n-- PostgreSQL database dump complete\n--\n",
	"CREATE FUNCTION f() RETURNS int LANGUAGE sql\n BEGIN ATOMIC\n SELECT CASE WHEN true THEN 1 END AS \"end\";\n SELECT 2;\nEND;\nINSERT INTO t VALUES (E'\\';', $a$;\n$a$, /* ; /* */ ; */ 3);\n",
	"CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC END;\n\nSELECT 1 AS begin;\n",
	"COPY \"a\nb\" (\"c)\") FROM stdin;\n\\.\nALTER TABLE t OWNER TO x;\nCREATE RULE r AS ON INSERT TO t DO ALSO (\n SELECT 1;\n SELECT 2\n);\nSELECT 1",
	"SELECT begin atomic;\nEND;\n",
	"COPY t FROM stdin;\n1\r\n\\.\r\n\\connect x\nSELECT 1;; \n;\n",
}

// FuzzScript: the pieces of a script are its text, in order and without a gap but for
// comments and psql's lines; and none holds two statements: the second would go past treat.
func FuzzScript(f *testing.F) {
	for _, s := range scripts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rest, s := text, newScript(strings.NewReader(text))
		for {
			piece, err := s.next()
			if err != nil && !errors.Is(err, io.EOF) {
				if !strings.HasPrefix(err.Error(), "line ") {
					t.Fatalf("%v: it does not say where", err)
				}
				return
			}
			for err != nil && rest != "" || !strings.HasPrefix(rest, piece) {
				line, after, _ := strings.Cut(rest, "\n")
				if !blank(line) && !psqlLine.MatchString(line) || rest == "" {
					t.Fatalf("before %q (%v) the line %q is lost\n%q", piece, err, line, text)
				}
				rest = after
			}
			if err != nil {
				return
			}
			rest = rest[len(piece):]
			one := statement(t, piece)
			what, table, err := treat(piece)
			if err != nil || what != copyRows {
				continue
			}
			if c := one.GetCopyStmt(); one != nil && (c == nil || c.Filename != "" || c.IsProgram || !c.IsFrom) {
				t.Fatalf("rows of %s are sent to %q", table, piece)
			}
			d := &data{s: s}
			rows, err := io.ReadAll(d)
			if !strings.HasPrefix(rest, string(rows)) || lines(rows) != d.rows {
				t.Fatalf("%d rows %q of %q", d.rows, rows, text)
			}
			if err != nil {
				return
			}
			end, after, _ := strings.Cut(rest[len(rows):], "\n")
			if !strings.HasPrefix(end, `\.`) {
				t.Fatalf("the rows end with %q in %q", end, text)
			}
			rest = after
		}
	})
}

func lines(rows []byte) int64 {
	n := bytes.Count(rows, []byte("\n"))
	if len(rows) > 0 && rows[len(rows)-1] != '\n' {
		n++
	}
	return int64(n)
}

// statement is the one that piece holds, nil if PostgreSQL would not read it. Two fail.
func statement(t *testing.T, piece string) *pg.Node {
	t.Helper()
	if !utf8.ValidString(piece) || strings.IndexByte(piece, 0) >= 0 {
		return nil
	}
	tree, err := pg.Parse(piece)
	if err != nil || len(tree.Stmts) == 0 {
		return nil
	}
	if len(tree.Stmts) > 1 {
		t.Fatalf("%d statements in one piece: %q", len(tree.Stmts), piece)
	}
	return tree.Stmts[0].Stmt
}

// FuzzDump: whatever the file is, it is refused or told apart; and what a plain one says of
// its database adds options to a CREATE DATABASE, and nothing else.
func FuzzDump(f *testing.F) {
	const create = "CREATE DATABASE shop WITH TEMPLATE = template0 "
	for _, s := range append([]string{"PGDMP", "", "\x00", "\x1f\x8b", strings.Repeat("\n", 257) + "ustar\x0000", "-- PostgreSQL database cluster dump\n",
		create + "ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'de_DE.UTF-8' TABLESPACE = x;\n",
		create + "OWNER = y ENCODING = 'UTF8' LC_COLLATE = 'it''s' ICU_RULES = '&a < g';\n",
		create + "ENCODING = 'UTF8'; DROP DATABASE shop;\n"}, scripts...) {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, zip bool) {
		if zip {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			if _, err := z.Write(text); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			text = b.Bytes()
		}
		path := filepath.Join(t.TempDir(), "dump")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := inspect(path)
		if err != nil || d.format != Plain {
			return
		}
		if d.size != int64(len(text)) {
			t.Errorf("%+v of %d bytes", d, len(text))
		}
		_, _ = d.plainHoldsRows()
		options, err := d.createOptions()
		if err != nil || options == "" || !utf8.ValidString(options) {
			return
		}
		tree, err := pg.Parse("CREATE DATABASE x WITH TEMPLATE = template0" + options)
		if err == nil && (len(tree.Stmts) != 1 || tree.Stmts[0].Stmt.GetCreatedbStmt().GetDbname() != "x") {
			t.Fatalf("options %q", options)
		}
	})
}

// FuzzReceipt: a receipt is one line, and read again it is the same.
func FuzzReceipt(f *testing.F) {
	f.Add("recovery", "host=x port=5432", "/tmp/a b.sql", "plain", int64(3), "16.4 (Debian)", 2, int64(1700000000), 0.25)
	f.Add("\u2028\n\"<>", "\xff", "\x00", "", int64(-1), "", 0, int64(0), 1e300)
	f.Fuzz(func(t *testing.T, database, server, dump, format string, size int64, from string, tables int, loaded int64, seconds float64) {
		text := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		r := &Receipt{Database: text(database), Server: text(server), Dump: text(dump), Format: Format(text(format)), Bytes: size,
			From: text(from), Tables: tables, Loaded: time.Unix(loaded%(1<<37), 0).UTC(), Seconds: seconds}
		var shown bytes.Buffer
		line, err := r.line()
		if err != nil || r.WriteJSON(&shown) != nil {
			return
		}
		for _, text := range []string{line + "\n", shown.String()} {
			var again Receipt
			if err := json.Unmarshal([]byte(text), &again); err != nil || !reflect.DeepEqual(&again, r) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
			if strings.Count(text, "\n") != 1 {
				t.Errorf("%q is no line", text)
			}
		}
	})
}
