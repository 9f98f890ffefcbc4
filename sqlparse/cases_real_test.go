package sqlparse

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/pgtest"
)

// fixture is what the cases run on. Every table has a column id.
const fixture = `
CREATE TABLE p (id int PRIMARY KEY, v text);
CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE);
CREATE TABLE n (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE SET NULL);
CREATE TABLE log (id int PRIMARY KEY);
CREATE TABLE "Odd ""Name" (id int);
CREATE SCHEMA x; CREATE SCHEMA emptyschema;
CREATE TABLE x.t (id int);
CREATE TABLE pt (id int) PARTITION BY RANGE (id);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (0) TO (100);
CREATE TABLE pt2 PARTITION OF pt FOR VALUES FROM (100) TO (200);
CREATE TABLE inh (id int); CREATE TABLE inh_child () INHERITS (inh);
CREATE TYPE rowtype AS (id int); CREATE TABLE typed OF rowtype;
CREATE FUNCTION part_key(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE TABLE by_function (id int) PARTITION BY LIST (part_key(id));
CREATE TABLE by_function_all PARTITION OF by_function DEFAULT;
CREATE VIEW pv AS SELECT * FROM p;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM p;
CREATE FUNCTION purge() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM p; RETURN 1; END';
CREATE FUNCTION purge_unused() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE purge_proc() LANGUAGE sql AS 'DELETE FROM c';
CREATE VIEW purge_view AS SELECT purge();
CREATE FUNCTION trg_fn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM c; RETURN NULL; END';
CREATE TABLE trg (id int); CREATE TRIGGER tg AFTER INSERT ON trg EXECUTE FUNCTION trg_fn();
CREATE TABLE ruled (id int); CREATE RULE r AS ON INSERT TO ruled DO ALSO DELETE FROM c;
CREATE TABLE owned (id int);
CREATE TABLE soft (id int, deleted bool, deleted_at timestamptz, note text, tags text[]);
INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
INSERT INTO c VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO n VALUES (1, 1), (2, 2);
INSERT INTO "Odd ""Name" VALUES (1), (2);
INSERT INTO x.t VALUES (1), (2);
INSERT INTO pt VALUES (1), (101);
INSERT INTO inh VALUES (1); INSERT INTO inh_child VALUES (2);
INSERT INTO typed VALUES (1); INSERT INTO by_function VALUES (1); INSERT INTO owned VALUES (1);
DO $$ BEGIN CREATE ROLE fixture_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER TABLE owned OWNER TO fixture_owner;
`

// fixtureTables are the leaves that hold rows.
var fixtureTables = []string{`p`, `c`, `n`, `log`, `"Odd ""Name"`, `x.t`, `pt1`, `pt2`, `inh`, `inh_child`, `typed`, `by_function_all`, `trg`, `ruled`, `owned`}

// TestCasesOnPostgreSQL runs every case and counts the rows that are gone: as
// many as the table says, and never any by a statement that is Plain.
func TestCasesOnPostgreSQL(t *testing.T) {
	ctx := context.Background()
	db := pgtest.Database(t, fixture)
	conn, err := pgx.Connect(ctx, pgtest.Shared(t).URL(db))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, c := range cases() {
		if version := pgtest.Shared(t).Version(); version < c.since {
			t.Logf("not run on PostgreSQL %d: %s", version, c.sql)
			continue
		}
		if c.norun != "" {
			continue
		}
		exec("BEGIN; SET LOCAL search_path = public")
		before := fixtureRows(t, conn)
		if c.before != "" {
			exec(c.before)
		}
		if _, err := conn.PgConn().Exec(ctx, c.sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", c.sql, err)
			exec("ROLLBACK")
			continue
		}
		exec("SET LOCAL ROLE NONE; SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL search_path = public; DEALLOCATE ALL")
		after := fixtureRows(t, conn)
		exec("ROLLBACK")
		gone := 0
		for row := range before {
			if !after[row] {
				gone++
			}
		}
		if gone != c.rows {
			t.Errorf("%s\nremoved %d rows, the table of cases says %d", c.sql, gone, c.rows)
		}
		if gone > 0 && c.reach == "" && isPlain(Parse(c.sql)) {
			t.Errorf("%s\nremoved %d rows and is Plain", c.sql, gone)
		}
	}
}

// fixtureRows are the rows of the tables that exist, as "table id".
func fixtureRows(t *testing.T, conn *pgx.Conn) map[string]bool {
	t.Helper()
	ctx := context.Background()
	rows := map[string]bool{}
	for _, table := range fixtureTables {
		name := table
		if !strings.Contains(name, ".") {
			name = "public." + name
		}
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", pgx.QueryExecModeExec, name).Scan(&exists); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !exists {
			continue
		}
		result := conn.PgConn().ExecParams(ctx, "SELECT id FROM ONLY "+name, nil, nil, nil, nil).Read()
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		for _, r := range result.Rows {
			rows[table+" "+string(r[0])] = true
		}
	}
	return rows
}

func isPlain(all []Statement) bool {
	for _, s := range all {
		if s.Verb != Plain {
			return false
		}
	}
	return true
}
