package guard_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// What a key's text says is the session's to say for composite types, ranges that
// somebody has made, and arrays of them: two rows may print alike. Then none is recorded.
// A type that is called like one of the server's is another one.
func TestKeyType(t *testing.T) {
	for name, x := range map[string]struct{ setup, key string }{
		"composite":                    {`CREATE TYPE ct AS (f float8); CREATE TABLE t (id ct PRIMARY KEY); INSERT INTO t VALUES (ROW(0.30000000000000004))`, ""},
		"array of composites":          {`CREATE TYPE ct AS (f float8); CREATE TABLE t (id ct[] PRIMARY KEY); INSERT INTO t VALUES (ARRAY[ROW(0.30000000000000004)::ct])`, ""},
		"domain over a composite":      {`CREATE TYPE ct AS (f float8); CREATE DOMAIN dt AS ct; CREATE TABLE t (id dt PRIMARY KEY); INSERT INTO t VALUES (ROW(0.30000000000000004))`, ""},
		"a table's row":                {`CREATE TABLE ct (f date); CREATE TABLE t (id ct PRIMARY KEY); INSERT INTO t VALUES (ROW('2024-02-03'))`, ""},
		"range":                        {`CREATE TYPE fr AS RANGE (subtype = float8); CREATE TABLE t (id fr PRIMARY KEY); INSERT INTO t VALUES ('[0.30000000000000004,1)')`, ""},
		"array of a domain over float": {`CREATE DOMAIN fd AS float8; CREATE TABLE t (id fd[] PRIMARY KEY); INSERT INTO t VALUES ('{0.30000000000000004}')`, ""},
		"enum called money":            {`CREATE TYPE public.money AS ENUM ('a', 'b'); CREATE TABLE t (id public.money PRIMARY KEY); INSERT INTO t VALUES ('b')`, "b"},
		"enum called interval":         {`CREATE TYPE public."interval" AS ENUM ('a', 'b'); CREATE TABLE t (id public."interval" PRIMARY KEY); INSERT INTO t VALUES ('b')`, "b"},
		"array of an enum":             {`CREATE TYPE e AS ENUM ('a', 'b'); CREATE TABLE t (id e[] PRIMARY KEY); INSERT INTO t VALUES ('{b,a}')`, "{b,a}"},
		"integer range":                {`CREATE TABLE t (id int4range PRIMARY KEY); INSERT INTO t VALUES ('[1,5]')`, "[1,6)"},
		"domain over an integer":       {`CREATE DOMAIN d AS bigint; CREATE TABLE t (id d PRIMARY KEY); INSERT INTO t VALUES (7)`, "7"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), x.setup)
			c := e.connect(pgx.QueryExecModeSimpleProtocol)
			defer c.Close(context.Background())
			mustExec(t, c, "SET extra_float_digits = 0; SET datestyle = 'SQL, DMY'")
			mustExec(t, c, "DELETE FROM t")
			es := e.entries(journal.Filter{})
			if len(es) != 1 || es[0].Rows != 1 || es[0].Tables[0].KeysCaptured != (x.key != "") {
				t.Fatalf("entries %+v", es)
			}
			got := ""
			for row, err := range e.journal.Rows(context.Background(), es[0].ID) {
				if err != nil {
					t.Fatal(err)
				}
				got += *row.Values[0]
			}
			if got != x.key {
				t.Errorf("key %q", got)
			}
			if x.key == "" && !strings.Contains(es[0].Tables[0].Why, "cannot be captured") {
				t.Errorf("why: %q", es[0].Tables[0].Why)
			}
		})
	}
}

// What inherits from a table does not inherit its key: two of its rows may have one.
func TestKey_OfWhatInherits(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), `CREATE TABLE p (id int PRIMARY KEY, v text); CREATE TABLE k () INHERITS (p); CREATE TABLE own (PRIMARY KEY (id)) INHERITS (p);
		INSERT INTO k VALUES (1, 'a'), (1, 'b'); INSERT INTO own VALUES (1, 'b'); INSERT INTO p VALUES (1, 'b')`)
	mustExec(t, e.connect(pgx.QueryExecModeSimpleProtocol), "DELETE FROM p WHERE v = 'b'")
	es := e.entries(journal.Filter{})
	if len(es) != 1 || es[0].Rows != 3 || len(es[0].Tables) != 3 {
		t.Fatalf("entries %+v", es)
	}
	for _, s := range es[0].Tables {
		if s.KeysCaptured != (s.Name != "k") {
			t.Errorf("%s: captured %v %s", s.Name, s.KeysCaptured, s.Why)
		}
	}
}
