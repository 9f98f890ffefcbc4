package backup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// Whatever tables and columns are called, their dump is loaded and has its rows.
func TestLoadPlain_Names(t *testing.T) {
	for name, sql := range map[string]string{
		"column with a parenthesis": `CREATE TABLE t (id int PRIMARY KEY, "a)b" text); INSERT INTO t VALUES (1, 'x')`,
		"table with parentheses":    `CREATE TABLE "t (x)" (id int PRIMARY KEY); INSERT INTO "t (x)" VALUES (1)`,
		"like the end of a COPY":    `CREATE TABLE "a FROM stdin;" (id int PRIMARY KEY); INSERT INTO "a FROM stdin;" VALUES (1)`,
		"like a COPY to a file":     `CREATE TABLE "a FROM 'b" (id int PRIMARY KEY, "x TO 'y" int); INSERT INTO "a FROM 'b" VALUES (1, 2)`,
		"with quotes and dots":      `CREATE SCHEMA "s""."; CREATE TABLE "s"".".""".t""" (id int PRIMARY KEY, """,""" int); INSERT INTO "s"".".""".t""" VALUES (1, 2)`,
		"with lines":                "CREATE TABLE \"a\nb\" (id int PRIMARY KEY, \"c\n-- d;\" int); INSERT INTO \"a\nb\" VALUES (1, 2)",
	} {
		for _, how := range []string{"", "--inserts"} {
			t.Run(name+how, func(t *testing.T) {
				path := dumped(t, pgtest.Database(t, sql), append([]string{"--format=plain"}, strings.Fields(how)...)...)
				r := verify(t, VerifyOptions{Dump: path})
				if r.says(t); len(r.Tables) != 1 || r.Tables[0].Dump != 1 || r.Tables[0].Restored != 1 {
					t.Errorf("%+v", r.Tables)
				}
			})
		}
	}
}

// A COPY that pg_dump does not write would wait for its rows for ever, or read a file.
func TestLoadPlain_OtherCopies(t *testing.T) {
	for _, copy := range []string{
		"COPY public.t FROM stdin WITH (FORMAT text);", "COPY  public.t  (id)  FROM  STDIN ;", "copy public.t from stdin (format text);",
		"COPY public.t FROM '/etc/hostname';", "COPY public.t FROM PROGRAM 'true';", "COPY public.t TO PROGRAM 'true';", "COPY (SELECT 1) TO stdout;",
	} {
		t.Run(copy, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dump.sql")
			if err := os.WriteFile(path, []byte("SET client_encoding = 'UTF8';\nCREATE TABLE public.t (id int);\n-- rows\n"+copy+"\n2\n\\.\nSELECT 1;\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := Verify(ctx, VerifyOptions{Dump: path, Server: pgtest.Shared(t).URL("postgres")})
			if err == nil {
				r.says(t, "nothing else is loaded")
			} else if !strings.Contains(err.Error(), "nothing else is loaded") {
				t.Error(err)
			}
		})
	}
}

// Of CREATE DATABASE the encoding and locale are taken, and no statement behind it.
func TestCreateOptions(t *testing.T) {
	for line, want := range map[string]string{
		"CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8';":                " ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8'",
		`CREATE DATABASE "a b" WITH TEMPLATE = template0 ENCODING = 'UTF8' LC_COLLATE = 'C' TABLESPACE = "fast disk" OWNER = "o w";`: " ENCODING = 'UTF8' LC_COLLATE = 'C'",
		"CREATE DATABASE shop WITH TEMPLATE = template0 LOCALE = 'de' ICU_RULES = '& a < ''g''';":                                    " LOCALE = 'de' ICU_RULES = '& a < ''g'''",
		"CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8'; DROP DATABASE other;":                                     "",
	} {
		if got := createOptions(strings.NewReader("--\n" + line + "\n")); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
