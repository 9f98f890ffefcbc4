package backup

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/recovery"
)

func TestMain(m *testing.M) { pgtest.Main(m, pgtest.Options{Unsafe: true}) }

// shopSQL has what makes a plain dump hard to take apart.
const shopSQL = `
	CREATE TABLE orders (id bigserial PRIMARY KEY, note text, created_at timestamptz DEFAULT '2026-11-01 12:00+00');
	CREATE TABLE "Odd; \. ""table" (id int PRIMARY KEY, o bigint REFERENCES orders ON DELETE CASCADE);
	CREATE TABLE parts (id int, n int) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
	INSERT INTO orders (note) SELECT e'tab\t\\. ''; $$ -- ' || i FROM generate_series(1, 1000) i;
	INSERT INTO orders (note) VALUES (e'\n\\.\n'), (NULL), ('\.');
	INSERT INTO "Odd; \. ""table" SELECT i, i FROM generate_series(1, 10) i;
	INSERT INTO parts SELECT 1, i FROM generate_series(1, 7) i;
	CREATE FUNCTION body() RETURNS text LANGUAGE plpgsql AS $fn$ BEGIN /*
GRANT ALL ON orders TO nobody;
\connect elsewhere
*/	RETURN 'x;'; END $fn$;
	CREATE VIEW shown AS SELECT id, 'a;b' AS "c;d" FROM orders;
	COMMENT ON TABLE orders IS e'it''s\n\\! rm;\nDROP DATABASE postgres;';
	GRANT SELECT ON orders TO PUBLIC`

// shop is shopSQL, and a function whose body is no string, where there is such a thing.
func shop(t *testing.T) string {
	t.Helper()
	if v := pgtest.Shared(t).Version(); v < 14 {
		t.Logf("not run on PostgreSQL %d: BEGIN ATOMIC came with 14", v)
		return shopSQL + "; CREATE FUNCTION atomic(a int) RETURNS int LANGUAGE sql AS 'SELECT 3'"
	}
	return shopSQL + "; CREATE FUNCTION atomic(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN a = 1 THEN 2 END; SELECT 3; END"
}

// dumped is a database's dump.
func dumped(t *testing.T, database string, args ...string) string {
	t.Helper()
	c := pgtest.Shared(t)
	path := filepath.Join(t.TempDir(), "dump")
	if out, err := c.Client(t, "pg_dump", append(args, "--file="+path, c.URL(database))...).CombinedOutput(); err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, out)
	}
	return path
}

// loadIt loads a dump under a name that is dropped at the test's end.
func loadIt(t *testing.T, o LoadOptions) (*Receipt, error) {
	t.Helper()
	c := pgtest.Shared(t)
	if o.Name == "" {
		o.Name = strings.ToLower(fmt.Sprintf("load_%d_%.30s", os.Getpid(), strings.NewReplacer("/", "_", ",", "_").Replace(t.Name())))
	}
	o.Server = c.URL("postgres")
	if o.BinDir == "" {
		o.BinDir = filepath.Dir(c.Client(t, "pg_restore").Path)
	}
	t.Cleanup(func() {
		pgtest.Exec(t, c.URL("postgres"), "DROP DATABASE IF EXISTS "+pgx.Identifier{o.Name}.Sanitize()+" WITH (FORCE)")
	})
	return Load(t.Context(), o)
}

func ask(t *testing.T, database, sql string) (out string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.Shared(t).URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

const sums = `SELECT concat_ws(' ', (SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM orders o), (SELECT count(*) FROM "Odd; \. ""table"), (SELECT count(*) FROM parts),
	(SELECT md5(pg_get_functiondef('body'::regproc) || pg_get_functiondef('atomic'::regproc))))`

func TestLoad_EveryFormat(t *testing.T) {
	database := pgtest.Database(t, shop(t))
	want := ask(t, database, sums)
	for name, args := range map[string][]string{
		"custom": {"--format=custom"}, "directory": {"--format=directory"}, "tar": {"--format=tar"},
		"plain": {"--format=plain"}, "plain, create": {"--create", "--clean", "--if-exists"}, "plain, inserts": {"--inserts"}, "plain, verbose": {"--verbose"}, "custom, create": {"--format=custom", "--create"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			began := time.Now().Truncate(time.Second)
			dump := dumped(t, database, args...)
			ended := time.Now()
			r, err := loadIt(t, LoadOptions{Dump: dump, Jobs: 2, Receipts: dir})
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			r.WriteText(&text)
			if several := r.Format == Custom || r.Format == Directory; several == strings.Contains(text.String(), "--jobs") {
				t.Errorf("what became of --jobs: %s", text.String())
			}
			// A plain dump has its time only where pg_dump was told to be verbose.
			if says := r.Format != Plain || name == "plain, verbose"; says == r.Dumped.IsZero() || says && (r.Dumped.Before(began) || r.Dumped.After(ended)) || says != strings.Contains(text.String(), "dumped 2") {
				t.Errorf("dumped %v, between %v and %v: %s", r.Dumped, began, ended, text.String())
			}
			if got := ask(t, r.Database, sums); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if on := ask(t, r.Database, "SHOW default_transaction_read_only"); on != "on" || r.Tables < 3 || !strings.HasPrefix(string(name), string(r.Format)) {
				t.Errorf("read only: %s; %+v", on, r)
			}
			line, err := os.ReadFile(filepath.Join(dir, receiptsFile))
			if comment := ask(t, r.Database, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"); err != nil || comment != "rowback: "+strings.TrimSpace(string(line)) {
				t.Errorf("%v: %s, %s", err, comment, line)
			}
		})
	}
	if got := ask(t, database, sums); got != want {
		t.Error("the dumped database was changed")
	}
}

// Names are what people choose.
func TestLoad_UnderAnOddName(t *testing.T) {
	r, err := loadIt(t, LoadOptions{Dump: dumped(t, pgtest.Database(t, "CREATE TABLE t (id int)")), Name: `We ird"x+y`})
	if err != nil || r.Database != `We ird"x+y` {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLoad_NeverIntoADatabaseThatIsThere(t *testing.T) {
	database := pgtest.Database(t, "CREATE TABLE t (id int)")
	for _, args := range [][]string{{"--format=custom", "--create"}, {"--create"}} {
		var refusal *recovery.Refusal
		dump := dumped(t, database, args...)
		c := pgtest.Shared(t)
		if _, err := Load(t.Context(), LoadOptions{Dump: dump, Server: c.URL("postgres"), BinDir: c.BinDir, Name: database}); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("%v: %v", args, err)
		}
		ask(t, database, "SELECT count(*)::text FROM t")
	}
}

func TestLoad_AFailedLoadLeavesNothing(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE TABLE t (id int);\nCREATE TABLE t (id int);\n":            "statement ending in line 2: relation \"t\" already exists",
		"CREATE TABLE t (id int);\nCOPY t (id) FROM stdin;\n1\n2\n":       "cut off",
		"CREATE TABLE t (id int);\nCOPY t (id) FROM stdin;\nx\n\\.\n":     "invalid input syntax",
		"CREATE FUNCTION f() RETURNS int AS $$ SELECT 1":                  "cut off",
		"--\n-- PostgreSQL database dump\n--\nCREATE TABLE t (id int);\n": "pg_dump's last line",
		"SELECT 1;\n\\! touch /tmp/x\n":                                   `psql (\!)`,
		"SELECT 1 \\gexec\n":                                              "psql within a statement",
		"SELECT 1; DROP DATABASE postgres;\n":                             "two statements",
		"COPY t FROM PROGRAM 'id';\n":                                     "runs a program",
		"-- PostgreSQL database cluster dump\nCREATE DATABASE x;\n":       "whole cluster",
		"  \n":                       "is empty",
		"\x00\x01binary":             "no dump that rowback knows",
		"-- nothing but a comment\n": "no statement",
	} {
		path := filepath.Join(t.TempDir(), "dump.sql")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadIt(t, LoadOptions{Dump: path, Name: "load_fails"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	broken := dumped(t, pgtest.Database(t, "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 100000)"), "--format=custom")
	data, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, data[:len(data)-2000], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadIt(t, LoadOptions{Dump: broken, Name: "load_fails"}); err == nil || !strings.Contains(err.Error(), "pg_restore: ") {
		t.Errorf("%v", err)
	}
	if left := ask(t, "postgres", "SELECT count(*)::text FROM pg_database WHERE datname = 'load_fails'"); left != "0" {
		t.Error("the database is left")
	}
}

func TestLoad_AGzippedPlainDump(t *testing.T) {
	text, err := os.ReadFile(dumped(t, pgtest.Database(t, shop(t))))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dump.gz")
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := loadIt(t, LoadOptions{Dump: path})
	if err != nil || r.counts["public.orders"] != 1003 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestLoad_ADumpFromANewerPgDump(t *testing.T) {
	path := dumped(t, pgtest.Database(t, "CREATE TABLE t (id int)"), "--format=custom")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[6] = 99 // the archive's minor version
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadIt(t, LoadOptions{Dump: path}); err == nil || !strings.Contains(err.Error(), "newer pg_dump than this pg_restore (PostgreSQL)") {
		t.Errorf("%v", err)
	}
}

func TestArguments_HideThePassword(t *testing.T) {
	for in, want := range map[string]string{
		"postgres://u:SECRET@h:5432/db?sslmode=disable": "postgres://u@h:5432/db?sslmode=disable",
		"host=h password='SEC RET' user=u":              "host=h  user=u",
		"postgres://u@h/db":                             "postgres://u@h/db",
	} {
		got, env, err := arguments(in)
		if err != nil || got != want || strings.Contains(in, "SEC") != (len(env) == 1) {
			t.Errorf("%s: %q %v %v", in, got, env, err)
		}
	}
}
