package guard_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// opensCursor opens a cursor that deletes when it is fetched from.
const opensCursor = `CREATE FUNCTION oc() RETURNS refcursor LANGUAGE plpgsql AS $$DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT purge(); RETURN c; END$$;
	CREATE FUNCTION held() RETURNS int LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT purge()'; RETURN 1; END$$;`

// hiddenDelete deletes where standard_conforming_strings is off.
const hiddenDelete = `WITH a AS (SELECT '\''), d AS (DELETE FROM victim) SELECT 1 --') SELECT 2`

// domainInRowType: a value of type zz deletes when it is made.
const domainInRowType = `CREATE DOMAIN dm AS int CHECK (purge() + VALUE > 0); CREATE TABLE zz (x dm);`

// unjudgedSteps are deletions of 20 rows over a limit of 10 that come about in several
// statements of one session, none of which says so.
var unjudgedSteps = map[string]struct {
	setup string
	run   []messages
}{
	"a function's cursor":             {opensCursor, []messages{q("BEGIN"), q("SELECT oc()"), q("FETCH ALL FROM c"), q("COMMIT")}},
	"a block's cursor":                {opensCursor, []messages{q("BEGIN"), q("DO $$DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT purge(); END$$"), q("FETCH ALL FROM c"), q("COMMIT")}},
	"a function's cursor, one Query":  {opensCursor, []messages{q("SELECT oc(); FETCH ALL FROM c")}},
	"a function's cursor, a pipeline": {opensCursor, []messages{cat(pbe("SELECT oc()"), pbe("FETCH ALL FROM c"), syncMsg)}},
	"a function's cursor as a portal": {opensCursor, []messages{q("BEGIN"), q("SELECT oc()"), cat(execute("c", 0), syncMsg), q("COMMIT")}},
	"a function's cursor WITH HOLD":   {opensCursor, []messages{q("SELECT held()")}},
	"a cursor WITH HOLD over what is replaced": {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		[]messages{q("BEGIN"), q("DECLARE c CURSOR WITH HOLD FOR SELECT f()"), q("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$"), q("COMMIT")}},
	"… in one Query": {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		[]messages{q("DECLARE c CURSOR WITH HOLD FOR SELECT f(); CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$")}},
	"a portal bound before that, a pipeline": {"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
		[]messages{cat(parse("s", "SELECT f()"), bindTo("p", "s"), pbe("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$"), execute("p", 0), syncMsg)}},
	"prepared in a function":          {`CREATE FUNCTION pp() RETURNS int LANGUAGE plpgsql AS $$BEGIN EXECUTE 'PREPARE s AS SELECT purge()'; RETURN 1; END$$`, []messages{q("SELECT pp()"), cat(bindTo("", "s"), execute("", 0), syncMsg)}},
	"prepared in a function, plainly": {`CREATE FUNCTION pp() RETURNS int LANGUAGE plpgsql AS $$BEGIN PREPARE s AS SELECT purge(); RETURN 1; END$$`, []messages{q("SELECT pp()"), cat(bindTo("", "s"), execute("", 0), syncMsg)}},
	"prepared anew in a function": {`CREATE FUNCTION pp() RETURNS int LANGUAGE plpgsql AS $$BEGIN DEALLOCATE s; EXECUTE 'PREPARE s AS SELECT purge()'; RETURN 1; END$$`,
		[]messages{cat(parse("s", "SELECT 1"), syncMsg), q("SELECT pp()"), cat(bindTo("", "s"), execute("", 0), syncMsg)}},
	"a temporary view":                    {"", []messages{q("CREATE TEMP VIEW tv AS SELECT purge() AS x"), q("SELECT x FROM tv")}},
	"a temporary view, prepared":          {"", []messages{cat(pbe("CREATE TEMP VIEW tv AS SELECT purge() AS x"), syncMsg), cat(parse("s", "SELECT x FROM tv"), bindTo("", "s"), execute("", 0), syncMsg)}},
	"a temporary view, in a block":        {"", []messages{q("BEGIN"), q("CREATE TEMP VIEW tv AS SELECT purge() AS x"), q("SELECT x FROM tv"), q("COMMIT")}},
	"a temporary view, one Query":         {"", []messages{q("CREATE TEMP VIEW tv AS SELECT purge() AS x; SELECT x FROM tv")}},
	"a temporary view, by a block":        {"", []messages{q("DO $$BEGIN CREATE TEMP VIEW tv AS SELECT purge() AS x; END$$"), q("SELECT x FROM tv")}},
	"a view over a temporary table":       {"", []messages{q("CREATE TEMP TABLE tt (v int)"), q("CREATE VIEW tv AS SELECT purge() AS x FROM tt"), q("INSERT INTO tt VALUES (1)"), q("SELECT x FROM tv")}},
	"a temporary table's constraint":      {"", []messages{q("CREATE TEMP TABLE tt (v int CHECK (purge() > 0))"), q("INSERT INTO tt VALUES (1)")}},
	"a temporary table's trigger":         {"", []messages{q("CREATE TEMP TABLE tt (v int)"), q("CREATE TRIGGER tr AFTER INSERT ON tt FOR EACH ROW EXECUTE FUNCTION purge_trigger()"), q("INSERT INTO tt VALUES (1)")}},
	"a temporary table's trigger enabled": {"", []messages{q("CREATE TEMP TABLE tt (v int)"), q("CREATE TRIGGER tr AFTER INSERT ON tt FOR EACH ROW EXECUTE FUNCTION purge_trigger(); ALTER TABLE tt DISABLE TRIGGER tr"), q("SELECT 1"), q("ALTER TABLE tt ENABLE TRIGGER ALL"), q("INSERT INTO tt VALUES (1)")}},
	"a partition attached in a function": {`CREATE TABLE p (v int) PARTITION BY RANGE (v); CREATE TABLE p1 (v int); CREATE TRIGGER tr AFTER INSERT ON p1 FOR EACH ROW EXECUTE FUNCTION purge_trigger();
		CREATE FUNCTION dr() RETURNS int LANGUAGE plpgsql AS $$BEGIN ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1); RETURN 1; END$$`, []messages{q("SELECT dr()")}},
	"a heir made in a function": {`CREATE TABLE p (v int); CREATE TABLE p1 (v int); INSERT INTO p1 VALUES (1); CREATE TRIGGER tr AFTER UPDATE ON p1 FOR EACH ROW EXECUTE FUNCTION purge_trigger();
		CREATE FUNCTION dr() RETURNS int LANGUAGE plpgsql AS $$BEGIN ALTER TABLE p1 INHERIT p; UPDATE p SET v = 2; RETURN 1; END$$`, []messages{q("SELECT dr()")}},
	"a DELETE bound before what it calls deletes": {"INSERT INTO log VALUES (1); ALTER TABLE log ADD PRIMARY KEY (v); CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
		[]messages{q("BEGIN"), cat(parse("d", "DELETE FROM log WHERE v = f()"), bindTo("p", "d"), syncMsg), q("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$"), cat(execute("p", 0), syncMsg), q("COMMIT")}},
	"a Bind in the place of another": {"CREATE FUNCTION imm() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM purge(); RETURN 1; END'; CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM victim WHERE id < 0; RETURN 1; END'",
		[]messages{cat(parse("a", "SELECT one()"), parse("b", "SELECT imm()"), bindTo("", "a"), bindTo("", "b"), syncMsg)}},
	"a constant, when parsed":                     {domainInRowType, []messages{cat(parse("", "SELECT '(5)'::zz"), syncMsg)}},
	"a constant, when parsed under a name":        {domainInRowType, []messages{cat(parse("s", "SELECT '(5)'::zz"), syncMsg), cat(bindTo("", "s"), execute("", 0), syncMsg)}},
	"a constant, when a DELETE is parsed":         {domainInRowType, []messages{cat(parse("", "DELETE FROM log WHERE v = ('(5)'::zz).x RETURNING '(5)'::zz"), syncMsg)}},
	"a constant, when a DELETE is described":      {domainInRowType, []messages{q("DELETE FROM log WHERE v = 1 RETURNING '(5)'::zz")}},
	"backslashes, set in the pipeline":            {"", []messages{cat(pbe("SET standard_conforming_strings = off"), pbe(hiddenDelete), syncMsg)}},
	"backslashes, set by a function":              {"", []messages{cat(pbe("SELECT set_config('standard_conforming_strings', 'off', false)"), pbe(hiddenDelete), syncMsg)}},
	"backslashes, a Query amid the pipeline":      {"", []messages{cat(pbe("SET standard_conforming_strings = off"), q(hiddenDelete))}},
	"backslashes, set back by ROLLBACK":           {"", []messages{q("SET standard_conforming_strings = off"), q("BEGIN"), q("SET standard_conforming_strings = on"), cat(pbe("ROLLBACK"), pbe(hiddenDelete), syncMsg)}},
	"backslashes of an encoding, in the pipeline": {"", []messages{cat(pbe("SET client_encoding = SJIS"), pbe("WITH a AS (SELECT E'\x95\x5c'), d AS (DELETE FROM victim) SELECT 1 --') SELECT 2"), syncMsg)}},
	"backslashes of what was prepared when off":   {"", []messages{q("SET standard_conforming_strings = off"), cat(parse("s", hiddenDelete), syncMsg), q("SET standard_conforming_strings = on"), q("CREATE TABLE another (v int)"), cat(bindTo("", "s"), execute("", 0), syncMsg)}},
	"a table made with a default":                 {"", []messages{q("CREATE TABLE made (v int, w int DEFAULT purge())"), q("INSERT INTO made VALUES (1)")}},
	"a default given to a made one":               {"", []messages{q("BEGIN"), q("CREATE TABLE made (v int, w int)"), q("ALTER TABLE made ALTER w SET DEFAULT purge()"), q("INSERT INTO made VALUES (1)"), q("COMMIT")}},
	"a made table with a trigger":                 {"", []messages{cat(pbe("CREATE TABLE made (v int)"), pbe("CREATE TRIGGER tr AFTER INSERT ON made FOR EACH ROW EXECUTE FUNCTION purge_trigger()"), pbe("INSERT INTO made VALUES (1)"), syncMsg)}},
	"a key that updates": {"CREATE TABLE kid (v int); CREATE TRIGGER tr AFTER UPDATE ON kid FOR EACH ROW EXECUTE FUNCTION purge_trigger(); CREATE TABLE parent (v int PRIMARY KEY); INSERT INTO parent VALUES (1); INSERT INTO kid VALUES (1)",
		[]messages{q("ALTER TABLE kid ADD FOREIGN KEY (v) REFERENCES parent ON UPDATE CASCADE"), q("UPDATE parent SET v = 2")}},
	"a partition of a made table": {"CREATE TABLE leaf (v int); CREATE TRIGGER tr AFTER INSERT ON leaf FOR EACH ROW EXECUTE FUNCTION purge_trigger()",
		[]messages{q("CREATE TABLE made (v int) PARTITION BY RANGE (v)"), q("ALTER TABLE made ATTACH PARTITION leaf FOR VALUES FROM (0) TO (10)"), q("INSERT INTO made VALUES (1)")}},
	"a table's type dropped in a function": {`DROP TABLE victim; CREATE TYPE ty AS (id int); CREATE TABLE victim OF ty (PRIMARY KEY (id)); INSERT INTO victim SELECT generate_series(1, 20);
		CREATE FUNCTION dr() RETURNS int LANGUAGE plpgsql AS $$BEGIN DROP TYPE ty CASCADE; RETURN 1; END$$`, []messages{q("SELECT dr()")}},
}

func TestUnjudged_InSteps(t *testing.T) {
	for name, x := range unjudgedSteps {
		t.Run(name, func(t *testing.T) { refusedInSteps(t, x.setup, x.run) })
	}
}

// refusedInSteps runs exchanges, one of which is to be refused.
func refusedInSteps(t *testing.T, setup string, run []messages) {
	t.Helper()
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges, setup)
	answers := strings.Join(talkAll(t, e.url, run), "\n")
	if !strings.Contains(answers, `"RB001"`) {
		t.Errorf("not refused: %s", answers)
	}
	if left := len(e.victims()); left != 20 {
		t.Errorf("%d rows are left of 20, and %d entries", left, len(e.entries(journal.Filter{})))
	}
}

// A Query is parsed as a whole, before it changes what a backslash means.
func TestUnjudged_BackslashBehindASet(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
	got := strings.Join(talkAll(t, e.url, []messages{q("SET standard_conforming_strings = off; DELETE FROM victim WHERE id = 1; " + hiddenDelete), q("SHOW standard_conforming_strings")}), "\n")
	if left := len(e.victims()); left != 20 || !strings.Contains(got, `"0A000"`) {
		t.Errorf("%d rows are left of 20: %s", left, got)
	}
}

// talkAll runs exchanges on one connection, after a first statement.
func talkAll(t *testing.T, url string, exchanges []messages) (answers []string) {
	c := dialRaw(t, url)
	for _, x := range append([]messages{q("SELECT 1")}, exchanges...) {
		n := 0
		for _, m := range x {
			switch m.(type) {
			case *pgproto3.Query, *pgproto3.Sync:
				n++
			}
			c.Send(m)
		}
		answers = append(answers, c.answers(n)...)
	}
	return answers
}

// In alert mode what a cursor WITH HOLD runs at COMMIT has an entry without numbers.
func TestUnjudged_HeldCursorInAlertMode(t *testing.T) {
	for name, run := range map[string][]messages{
		"by itself":     {q("DECLARE c CURSOR WITH HOLD FOR SELECT purge()")},
		"extended":      {cat(pbe("DECLARE c CURSOR WITH HOLD FOR SELECT purge()"), syncMsg)},
		"in a block":    {q("BEGIN"), q("DECLARE c CURSOR WITH HOLD FOR SELECT purge()"), q("COMMIT")},
		"by a function": {q("SELECT held()")},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Alert, 10), purges, opensCursor)
			talkAll(t, e.url, run)
			es := e.entries(journal.Filter{})
			if left := len(e.victims()); left != 0 || len(es) != 1 || es[0].Outcome != journal.Committed || !strings.Contains(es[0].Alert, "WITH HOLD") {
				t.Errorf("%d rows are left; entries %+v", left, es)
			}
		})
	}
}

// What is made on a connection for logical replication is there for its next statement.
func TestUnjudged_MadeOnReplication(t *testing.T) {
	for name, run := range map[string][]string{
		"before":       {"CREATE FUNCTION nf() RETURNS int LANGUAGE sql AS 'DELETE FROM victim; SELECT 1'", "SELECT nf()"},
		"in the Query": {"CREATE FUNCTION nf() RETURNS int LANGUAGE sql AS 'DELETE FROM victim; SELECT 1'; SELECT nf()"},
		"in the block": {"BEGIN", "CREATE FUNCTION nf() RETURNS int LANGUAGE sql AS 'DELETE FROM victim; SELECT 1'", "SELECT nf()"},
		"with escapes": {"SET standard_conforming_strings = off", `SELECT '\''; DELETE FROM victim; SELECT '\''`},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
			talkAll(t, e.url, nil)
			conn, err := pgconn.Connect(t.Context(), e.url+"&replication=database")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			for _, sql := range run {
				_, err = conn.Exec(t.Context(), sql).ReadAll()
			}
			if left := len(e.victims()); left != 20 || sqlstate(err) != "RB001" {
				t.Errorf("%v; %d rows are left of 20", err, left)
			}
		})
	}
}

// A startup packet that says replication twice might be read in two ways.
func TestUnjudged_ReplicationSaidTwice(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
	u, err := url.Parse(e.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	body := "\x00\x03\x00\x00"
	for _, s := range []string{"user", "postgres", "database", e.database, "replication", "database", "replication", "true", ""} {
		body += s + "\x00"
	}
	if _, err := conn.Write(append([]byte{0, 0, 0, byte(len(body) + 4)}, body...)); err != nil {
		t.Fatal(err)
	}
	m, err := pgproto3.NewFrontend(conn, conn).Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); !ok || e.Code != "08P01" {
		t.Errorf("%T %+v, %v", m, m, err)
	}
}
