package guard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

const purges = `CREATE TABLE victim (id int PRIMARY KEY); INSERT INTO victim SELECT generate_series(1, 20);
	CREATE FUNCTION purge() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$;
	CREATE FUNCTION purge_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN NEW; END$$;
	CREATE FUNCTION purge_event() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; END$$;
	CREATE TABLE log (v int);`

// Ways to 20 deletions over a limit of 10 that the text does not show. Each comes as a
// session's second statement: with the first one the catalog is read, and all is looked at.
func TestUnjudged(t *testing.T) {
	for name, x := range map[string]struct {
		setup string
		run   []string
	}{
		"insert trigger":            {`CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()`, []string{"INSERT INTO log VALUES (1)", "WITH x AS (INSERT INTO log VALUES (1) RETURNING v) SELECT v FROM x", "INSERT INTO log VALUES (1) ON CONFLICT DO NOTHING", "SELECT 1; INSERT INTO log VALUES (1)", "insert into log select 1"}},
		"insert rule":               {`CREATE RULE r AS ON INSERT TO log DO ALSO DELETE FROM victim`, []string{"INSERT INTO log VALUES (1)"}},
		"column default":            {`ALTER TABLE log ADD w int DEFAULT purge()`, []string{"INSERT INTO log (v) VALUES (1)", "SELECT 1; INSERT INTO log (v) VALUES (1)"}},
		"instead of insert":         {`CREATE VIEW vw AS SELECT 1 AS v; CREATE TRIGGER tr INSTEAD OF INSERT ON vw FOR EACH ROW EXECUTE FUNCTION purge_trigger()`, []string{"INSERT INTO vw VALUES (1)"}},
		"a function called insert":  {`CREATE FUNCTION "insert"(int) RETURNS int LANGUAGE sql AS 'SELECT purge()'`, []string{`SELECT "insert"(1)`, "SELECT insert(1)"}},
		"a function called into":    {`CREATE FUNCTION "into"() RETURNS int LANGUAGE sql AS 'SELECT purge()'`, []string{`SELECT "into"()`}},
		"update trigger":            {`INSERT INTO log VALUES (1); CREATE TRIGGER tr AFTER UPDATE ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()`, []string{"UPDATE log SET v = 2"}},
		"event trigger":             {`CREATE MATERIALIZED VIEW mv AS SELECT 1; CREATE EVENT TRIGGER unjudged ON ddl_command_end EXECUTE FUNCTION purge_event()`, []string{"COMMENT ON TABLE victim IS 'x'", "GRANT SELECT ON victim TO pg_monitor", "REVOKE SELECT ON victim FROM pg_monitor", "REFRESH MATERIALIZED VIEW mv", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor", "DO $$BEGIN COMMENT ON TABLE victim IS 'x'; END$$", "DO $$BEGIN GRANT SELECT ON victim TO pg_monitor; END$$", "CREATE TABLE x (y int)"}},
		"a domain in a row type":    {`CREATE DOMAIN dm AS int CHECK (purge() + VALUE > 0); CREATE TABLE zz (x dm); CREATE VIEW zv AS SELECT x FROM zz`, []string{"SELECT 5::dm", "SELECT '(5)'::zz", "SELECT '{(5)}'::zz[]", "SELECT row(5)::zz", `SELECT jsonb_populate_record(null::zz, '{"x": 5}')`, "SELECT '(5)'::zv", "DO $$DECLARE z zz; BEGIN z.x := 5; END$$", "DO $$DECLARE z zz.x%TYPE := 5; BEGIN NULL; END$$"}},
		"a range type's difference": {`CREATE FUNCTION sd(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM purge(); RETURN 1; END'; CREATE TYPE spans AS RANGE (subtype = int, subtype_diff = sd); CREATE TABLE rt (r spans); CREATE INDEX ON rt USING gist (r)`, []string{"INSERT INTO rt SELECT spans(i, i + 5) FROM generate_series(1, 1000) i"}},
		"a built-in that runs text": {``, []string{"SELECT query_to_xml('select purge()', true, true, '')"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, x.setup)
			for _, sql := range x.run {
				c := e.connect(pgx.QueryExecModeSimpleProtocol)
				mustExec(t, c, "SELECT 1")
				if _, err := c.Exec(context.Background(), sql); sqlstate(err) != "RB001" {
					t.Errorf("%s: %v", sql, err)
				}
				_ = c.Close(context.Background())
				if left := len(e.victims()); left != 20 {
					t.Fatalf("%s: %d rows are left of 20, and %d entries", sql, left, len(e.entries(journal.Filter{})))
				}
			}
		})
	}
}

// A connection for logical replication takes SQL too. What a subscriber sends passes.
func TestUnjudged_Replication(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges, `CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()`)
	conn, err := pgconn.Connect(t.Context(), e.url+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"IDENTIFY_SYSTEM", "SHOW server_version", "SELECT pg_catalog.set_config('search_path', '', false)", "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ",
		"COPY public.victim TO STDOUT", "COMMIT", "BEGIN; SELECT 1; ROLLBACK", "SET search_path = public"} {
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"DELETE FROM victim", "SELECT purge()", "INSERT INTO log VALUES (1)", "TRUNCATE victim", "SELECT 1; DELETE FROM victim", "/* IDENTIFY_SYSTEM */ DELETE FROM victim", "BEGIN; DELETE FROM victim; COMMIT"} {
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); sqlstate(err) != "RB001" || !strings.Contains(err.Error(), "a connection for replication") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "BEGIN").ReadAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "DELETE FROM victim").ReadAll(); sqlstate(err) != "RB001" || conn.TxStatus() != 'E' {
		t.Errorf("in a block: %v, status %c", err, conn.TxStatus())
	}
	if _, err := conn.Exec(t.Context(), "COMMIT").ReadAll(); err != nil || conn.TxStatus() != 'I' {
		t.Error(err)
	}
	if left := len(e.victims()); left != 20 {
		t.Errorf("%d rows are left of 20", left)
	}
	if n := len(e.entries(journal.Filter{Outcome: journal.Blocked})); n != 8 {
		t.Errorf("%d entries of what was refused, want 8", n)
	}
}

// Where they are let through they have an entry without numbers.
func TestUnjudged_ReplicationInAlertMode(t *testing.T) {
	e, j := withFaulty(t, purges)
	defer e.start(policy.Uniform(policy.Alert, 10), j)()
	conn, err := pgconn.Connect(t.Context(), e.url+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"DELETE FROM victim", "DELETE FROM nothing"} {
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); (err == nil) != (sql == "DELETE FROM victim") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if left := len(e.victims()); left != 0 {
		t.Errorf("%d rows are left", left)
	}
	var outcomes []string
	for _, x := range e.entries(journal.Filter{}) {
		outcomes = append(outcomes, fmt.Sprintf("%s %d %s %v", x.Outcome, len(x.Tables), x.Statements[0].SQL, strings.Contains(x.Alert, "a connection for replication")))
	}
	slices.Sort(outcomes)
	equal(t, "entries", outcomes, []string{"committed 0 DELETE FROM victim true", "rolled_back 0 DELETE FROM nothing true"})
	j.down.Store(true)
	_, err = conn.Exec(t.Context(), "DELETE FROM victim").ReadAll()
	wantCode(t, err, "RB002")
	if e.logs.count(errDown.Error()) == 0 {
		t.Error("the log does not say why")
	}
}

// victims are the rows of the table that all this is about.
func (e *env) victims() (left []string) {
	for _, k := range e.keys() {
		if strings.HasPrefix(k, "victim ") {
			left = append(left, k)
		}
	}
	return left
}

// A FETCH that was parsed before the portal that it fetches from was bound.
func TestUnjudged_FetchParsedBefore(t *testing.T) {
	for _, fetch := range []string{"FETCH ALL FROM p", "MOVE ALL FROM p"} {
		e := newEnv(t, blockPolicy(), shop)
		before := e.keys()
		r := dialRaw(t, e.url)
		r.say(q("BEGIN"))
		got := r.say(parse("f", fetch), parse("d", "DELETE FROM plain RETURNING id"), bind("p", "d"), bind("", "f"), execute("", 0), syncMsg)
		r.say(q("COMMIT"))
		if !strings.Contains(got, `"RB001"`) {
			t.Errorf("%s: %.300s", fetch, got)
		}
		equal(t, "keys left", e.keys(), before)
	}
}

// A Parse behind an error is discarded: the unnamed statement is still the one before.
func TestUnjudged_DiscardedParse(t *testing.T) {
	for _, discarded := range []string{"SHOW work_mem", "SELECT 1", "COMMIT", "DELETE FROM log"} {
		for _, first := range []bool{true, false} {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'")
			r := dialRaw(t, e.url)
			r.say(q("SELECT 1"))
			r.say(parse("", "SELECT f()"), syncMsg)
			fails := func() { r.say(parse("x", "SELECT nope"), parse("", discarded), syncMsg) }
			if first {
				fails()
			}
			mustExec(t, e.connect(pgx.QueryExecModeSimpleProtocol), "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM victim; RETURN 1; END'")
			if !first {
				fails()
			}
			got := r.say(bindTo("", ""), execute("", 0), syncMsg)
			if left := len(e.victims()); left != 20 || !strings.Contains(got, `"RB001"`) {
				t.Errorf("%s discarded first %v: %d rows are left of 20: %s", discarded, first, left, got)
			}
		}
	}
}

// Before PostgreSQL 15 foreign keys take an UPDATE that moves a row to another partition for a DELETE.
func TestUnjudged_RowsThatMoveToAnotherPartition(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), `CREATE TABLE pp (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k); CREATE TABLE pp1 PARTITION OF pp FOR VALUES IN (1); CREATE TABLE pp2 PARTITION OF pp FOR VALUES IN (2);
		CREATE TABLE victim (id int PRIMARY KEY, p int, k int, FOREIGN KEY (p, k) REFERENCES pp ON DELETE CASCADE ON UPDATE CASCADE)`)
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	mustExec(t, c, "INSERT INTO pp VALUES (1, 1)")
	mustExec(t, c, "INSERT INTO victim SELECT i, 1, 1 FROM generate_series(1, 20) i")
	for _, sql := range []string{"UPDATE pp SET k = 2", "DO 'BEGIN UPDATE pp SET k = 2; END'"} {
		if _, err := c.Exec(t.Context(), sql); err != nil && sqlstate(err) != "RB001" {
			t.Errorf("%s: %v", sql, err)
		}
		if left := len(e.victims()); left != 20 {
			t.Fatalf("%s: %d rows are left of 20, and %d entries", sql, left, len(e.entries(journal.Filter{})))
		}
	}
}
