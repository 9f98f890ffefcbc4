package guard_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// wholeRows is a policy that keeps images.
func wholeRows(p policy.Policy) policy.Policy {
	p.Default.Capture = policy.CaptureRows
	return p
}

// photo is the image of every row of every table, as the server makes it: by
// table, "table|hex".
func (e *env) photo() []string {
	e.t.Helper()
	c := connect(e.t, e.direct, pgx.QueryExecModeExec)
	defer c.Close(context.Background())
	return e.photoBy(c)
}

// photoBy is photo as c's transaction sees them.
func (e *env) photoBy(c *pgx.Conn) []string {
	e.t.Helper()
	ctx := context.Background()
	tables, err := pgx.CollectRows(must(c.Query(ctx, `SELECT c.oid::regclass::text || '|' || string_agg(quote_ident(attname) || CASE WHEN atttypid IN ('xml'::regtype, 'aclitem'::regtype) THEN '::text' ELSE '' END, ', ' ORDER BY attnum)
		FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY c.oid`)), pgx.RowTo[string])
	if err != nil {
		e.t.Fatal(err)
	}
	var out []string
	for _, t := range tables {
		name, columns, _ := strings.Cut(t, "|")
		rows, err := pgx.CollectRows(must(c.Query(ctx, fmt.Sprintf("SELECT encode(record_send(ROW(%s)), 'hex') FROM ONLY %s", columns, name))), pgx.RowTo[string])
		if err != nil {
			e.t.Fatal(err)
		}
		for _, r := range rows {
			out = append(out, name+"|"+r)
		}
	}
	slices.Sort(out)
	return out
}

// images are those of the committed entries, as photo gives them, of tables that are
// said to be recorded whole.
func (e *env) images() []string {
	e.t.Helper()
	var out []string
	for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
		for i, err := range e.journal.Images(context.Background(), x.ID) {
			if err != nil {
				e.t.Fatal(err)
			}
			t := x.Tables[i.Table]
			if !t.RowsCaptured {
				continue
			}
			fields, err := i.Fields()
			if err != nil || len(fields) != len(t.Columns) {
				e.t.Fatalf("%d fields of %d columns of %s: %v", len(fields), len(t.Columns), t.Name, err)
			}
			out = append(out, t.Name+"|"+hex.EncodeToString(i.Data))
		}
	}
	slices.Sort(out)
	return out
}

// lost are the rows of before that are not in after, as often as they are missing.
func lost(before, after []string) []string {
	have := map[string]int{}
	for _, x := range after {
		have[x]++
	}
	var out []string
	for _, x := range before {
		if have[x]--; have[x] < 0 {
			out = append(out, x)
		}
	}
	return out
}

// wide has rows of many kinds, on every way by which a DELETE reaches them.
const wide = `
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text);
CREATE TABLE p (id int PRIMARY KEY, f float8, n numeric, t text, b bytea, at timestamptz, m mood, c pair, a text[], g int GENERATED ALWAYS AS (id * 2) STORED, x xml, r aclitem);
CREATE TABLE c (a int, b int, p_id int REFERENCES p ON DELETE CASCADE, q_id int REFERENCES p ON DELETE CASCADE, v text, PRIMARY KEY (a, b));
CREATE TABLE g (id int PRIMARY KEY, a int, b int, v text, FOREIGN KEY (a, b) REFERENCES c ON DELETE CASCADE);
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE, p_id int REFERENCES p ON DELETE CASCADE, v text);
CREATE TABLE cut (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE SET NULL, v text);
CREATE TABLE nokey (p_id int REFERENCES p ON DELETE CASCADE, v text);
CREATE INDEX ON c (p_id); CREATE INDEX ON c (q_id);
INSERT INTO p (id, f, n, t, b, at, m, c, a, x, r) SELECT i, CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN '-0' ELSE i / 3.0 END, '1.000', repeat('日本', i), decode(md5(i::text), 'hex'), 'epoch'::timestamptz + i * '1 h'::interval, 'ok', (i, 'x"')::pair, ARRAY[NULL, 'a,b'],
	'<?xml version="1.0" encoding="UTF-8"?><a/>', 'postgres=r/postgres' FROM generate_series(1, 20) i;
INSERT INTO p (id, t) VALUES (21, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 60000) i));
INSERT INTO c SELECT i, 1, i, (i + 1) % 20 + 1, 'c' || i FROM generate_series(1, 20) i; INSERT INTO g SELECT i, i, 1, 'g' FROM generate_series(1, 20) i;
INSERT INTO tree SELECT i, NULLIF(i / 2, 0), CASE WHEN i % 3 = 0 THEN i % 20 + 1 END, 'leaf' FROM generate_series(1, 40) i;
INSERT INTO cut SELECT i, i, 'stays' FROM generate_series(1, 20) i; INSERT INTO nokey SELECT 1 + i % 5, 'same' FROM generate_series(1, 15) i;`

func TestImages_EveryVanishedRow(t *testing.T) {
	for _, mode := range []string{"simple", "named"} {
		m := modes[mode]
		for _, sql := range []string{
			"DELETE FROM p WHERE id IN (1, 2, 3, 21)", "DELETE FROM p WHERE id < 9 RETURNING at, f, id, t", "DELETE FROM g WHERE id < 5", "DELETE FROM g WHERE id < 5 RETURNING *",
			"DELETE FROM tree WHERE id = 3 OR id = 6", "DELETE FROM nokey WHERE p_id = 1 RETURNING 1", "DELETE FROM nokey", "DELETE FROM p",
			"TRUNCATE p CASCADE", "TRUNCATE g, nokey", "DROP TABLE g, tree, nokey",
		} {
			t.Run(mode+"/"+sql, func(t *testing.T) {
				e := newEnv(t, wholeRows(alertPolicy()), wide)
				before := e.photo()
				c := e.connect(m)
				if _, err := c.Exec(context.Background(), "SET extra_float_digits = -10; SET DateStyle = 'SQL, DMY'; SET bytea_output = escape"); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Exec(context.Background(), sql); err != nil {
					t.Fatal(err)
				}
				gone := lost(before, e.photo())
				gone = slices.DeleteFunc(gone, func(r string) bool { return strings.HasPrefix(r, "cut|") && !strings.HasPrefix(sql, "TRUNCATE") })
				if len(gone) == 0 {
					t.Fatal("nothing is gone")
				}
				equal(t, "images", e.images(), gone)
				for _, tb := range e.entries(journal.Filter{})[0].Tables {
					if removed := tb.Removed(); tb.RowsCaptured != removed || tb.WhyNoRows != "" || removed && slices.ContainsFunc(tb.Columns, func(c journal.ImageColumn) bool { return c.Name == "g" }) {
						t.Errorf("%+v", tb)
					}
				}
			})
		}
	}
}

// Whatever formats the client asks for its own columns in, it gets what it would
// have got, and the images are whole.
func TestImages_ClientsOwnFormats(t *testing.T) {
	const sql = "DELETE FROM p WHERE id = ANY($1) RETURNING id, t, at, b"
	var want map[string][][]byte
	for _, whole := range []bool{false, true} {
		got := map[string][][]byte{}
		for name, formats := range map[string][]int16{"none": nil, "text": {0}, "binary": {1}, "mixed": {1, 0, 1, 0}} {
			p := alertPolicy()
			if whole {
				p = wholeRows(p)
			}
			e := newEnv(t, p, wide)
			before := e.photo()
			r := e.connect(pgx.QueryExecModeExec).PgConn().ExecParams(context.Background(), sql, [][]byte{[]byte("{4,5}")}, nil, nil, formats).Read()
			if r.Err != nil || len(r.Rows) != 2 || r.CommandTag.String() != "DELETE 2" {
				t.Fatalf("%s: %v, %d rows, %s", name, r.Err, len(r.Rows), r.CommandTag)
			}
			got[name] = slices.Concat(r.Rows...)
			for i, f := range r.FieldDescriptions {
				if format := append(slices.Clone(formats), 0, 0, 0, 0); f.Format != format[min(i, max(0, len(formats)-1))] {
					t.Errorf("%s: column %d has format %d", name, i, f.Format)
				}
			}
			if whole {
				gone := slices.DeleteFunc(lost(before, e.photo()), func(r string) bool { return strings.HasPrefix(r, "cut|") })
				equal(t, name+": images", e.images(), gone)
			}
		}
		if whole {
			for name, rows := range want {
				if !slices.EqualFunc(rows, got[name], bytes.Equal) {
					t.Errorf("%s: got %q, without images %q", name, got[name], rows)
				}
			}
		}
		want = got
	}
}

// What a savepoint takes back is not in the journal, and what comes after is.
func TestImages_Savepoints(t *testing.T) {
	e := newEnv(t, wholeRows(alertPolicy()), wide)
	before := e.photo()
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	for _, sql := range []string{"BEGIN", "DELETE FROM g WHERE id = 1", "SAVEPOINT a", "DELETE FROM p WHERE id = 21", "DELETE FROM g WHERE id = 2", "ROLLBACK TO a", "DELETE FROM p WHERE id = 7", "COMMIT"} {
		if _, err := c.Exec(context.Background(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	equal(t, "images", e.images(), slices.DeleteFunc(lost(before, e.photo()), func(r string) bool { return strings.HasPrefix(r, "cut|") }))
}

// A session in another encoding: text is kept in UTF-8, also what that encoding
// has no letter for; and what cannot be is said.
func TestImages_OtherEncoding(t *testing.T) {
	e := newEnv(t, wholeRows(alertPolicy()), "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE w (id int PRIMARY KEY, t text, n numeric, a text[], j jsonb, f float8[]); INSERT INTO w VALUES (1, '日本', 1.00, '{é,ü}', '{\"a\": \"日\"}', '{-0}'); CREATE TABLE moody (id int PRIMARY KEY, m mood); INSERT INTO moody VALUES (1, 'sad')")
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	r := c.PgConn().Exec(context.Background(), "SET client_encoding = 'LATIN1'; DELETE FROM w; DELETE FROM moody")
	if _, err := r.ReadAll(); err != nil {
		t.Fatal(err)
	}
	x := e.entries(journal.Filter{})[0]
	for i, err := range e.journal.Images(context.Background(), x.ID) {
		if err != nil {
			t.Fatal(err)
		}
		fields, err := i.Fields()
		if err != nil {
			t.Fatal(err)
		}
		if string(fields[1].Value) != "日本" || string(fields[3].Value) != "{é,ü}" || !strings.Contains(string(fields[4].Value), "日") || len(fields[0].Value) != 4 {
			t.Errorf("%+v", fields)
		}
	}
	var told []string
	for _, tb := range x.Tables {
		told = append(told, fmt.Sprintf("%s %v %v %s", tb.Name, tb.KeysCaptured, tb.RowsCaptured, tb.WhyNoRows))
	}
	equal(t, "tables", told, []string{"w true true ", "moody true false column m of type public.mood cannot be read exactly by a session whose client_encoding is LATIN1"})
}

func TestImages_RuleOfEachTable(t *testing.T) {
	p := alertPolicy()
	p.Rules = []policy.Rule{p.Default, p.Default}
	p.Rules[0].Name, p.Rules[0].Match.Tables, p.Rules[0].Capture, p.Rules[0].ExcludeColumns = "c", []string{"c"}, policy.CaptureRows, []string{"c.v", "a", "nonsense"}
	p.Rules[1].Name, p.Rules[1].Match.Tables = "g", []string{"g"}
	e := newEnv(t, p, wide)
	if _, err := e.connect(pgx.QueryExecModeExec).Exec(context.Background(), "DELETE FROM p WHERE id < 5"); err != nil {
		t.Fatal(err)
	}
	for _, tb := range e.entries(journal.Filter{})[0].Tables {
		var names []string
		for _, c := range tb.Columns {
			names = append(names, c.Name)
		}
		want := "[] []"
		if tb.Name == "c" { // a is of its key
			want = "[a b p_id q_id] [v]"
		}
		if got := fmt.Sprint(names, tb.Excluded); got != want || tb.RowsCaptured != (tb.Name == "c") {
			t.Errorf("%s: %s, want %s", tb.Name, got, want)
		}
	}
	if n := len(e.images()); n == 0 {
		t.Error("no images")
	}
}

// A policy that is replaced holds for statements that are prepared already.
func TestImages_PolicyReplaced(t *testing.T) {
	e := newEnv(t, alertPolicy(), wide)
	c := e.connect(pgx.QueryExecModeCacheStatement)
	for i := range 2 {
		if _, err := c.Exec(context.Background(), "DELETE FROM g WHERE id = $1", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.judge.SetPolicy(context.Background(), wholeRows(alertPolicy())); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(context.Background(), "DELETE FROM g WHERE id = $1", 5); err != nil {
		t.Fatal(err)
	}
	if n := len(e.images()); n != 1 {
		t.Errorf("%d images", n)
	}
}

// Rows of a child that inherits have columns that a DELETE on the parent does not see.
func TestImages_InheritanceChild(t *testing.T) {
	e := newEnv(t, wholeRows(alertPolicy()), "CREATE TABLE base (id int PRIMARY KEY, v text); CREATE TABLE more (extra text) INHERITS (base); CREATE TABLE same () INHERITS (base); INSERT INTO base VALUES (1, 'b'); INSERT INTO more VALUES (2, 'm', 'x'); INSERT INTO same VALUES (3, 's')")
	if _, err := e.connect(pgx.QueryExecModeExec).Exec(context.Background(), "DELETE FROM base"); err != nil {
		t.Fatal(err)
	}
	for _, tb := range e.entries(journal.Filter{})[0].Tables {
		if tb.RowsCaptured != (tb.Name != "more") || (tb.WhyNoRows != "") != (tb.Name == "more") {
			t.Errorf("%+v", tb)
		}
	}
	if n := len(e.images()); n != 2 {
		t.Errorf("%d images", n)
	}
}

// What cannot be captured is said, in the entry and in the log.
func TestImages_NotCaptured(t *testing.T) {
	e := newEnv(t, wholeRows(alertPolicy()), wide, "CREATE FUNCTION purge() RETURNS void LANGUAGE sql AS 'DELETE FROM g WHERE id < 4'", "GRANT SELECT, DELETE ON g TO PUBLIC; REVOKE SELECT ON g FROM PUBLIC")
	if _, err := e.connect(pgx.QueryExecModeExec).Exec(context.Background(), "SELECT purge()"); err != nil {
		t.Fatal(err)
	}
	tb := e.entries(journal.Filter{})[0].Tables[0]
	if tb.RowsCaptured || tb.WhyNoRows == "" || tb.KeysCaptured || e.logs.count("not recorded whole") != 1 {
		t.Errorf("%+v", tb)
	}
}

// A blocked statement leaves none, and the journal's key is asked of nobody.
func TestImages_Blocked(t *testing.T) {
	e := newEnv(t, wholeRows(policy.Uniform(policy.Block, 2)), wide)
	_, err := e.connect(pgx.QueryExecModeExec).Exec(context.Background(), "DELETE FROM p")
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "RB001" {
		t.Fatal(err)
	}
	x := e.entries(journal.Filter{})[0]
	for _, tb := range x.Tables {
		if tb.RowsCaptured || len(tb.Columns) > 0 {
			t.Errorf("%+v", tb)
		}
	}
	for range e.journal.Images(context.Background(), x.ID) {
		t.Error("an image, or an error")
	}
}

// Result formats that do not fit a statement's columns are the server's to refuse,
// whatever columns the captured form has.
func TestImage_WrongResultFormatsAreRefused(t *testing.T) {
	p := policy.Uniform(policy.Block, 1000)
	p.Default.Capture = policy.CaptureRows
	e := newEnv(t, p, shop)
	for _, codes := range [][]int16{nil, {1}, {0, 1}, {1, 0, 0}, {0, 0, 0, 0, 0}} {
		e.compare(t, []messages{cat(parse("", "DELETE FROM plain WHERE id < 3 RETURNING id, a"), formats("", "", codes...), describe('P', ""), execute("", 0), syncMsg)})
		e.compare(t, []messages{cat(parse("s", "DELETE FROM plain p USING orders o WHERE o.id = p.id AND o.id < 3 RETURNING o.kind"), formats("", "s", codes...), execute("", 0), syncMsg)})
	}
}
