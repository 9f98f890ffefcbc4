package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// big has 3,000 rows, says that it has three million, and fails as soon as one is
// deleted: who is refused instead was refused before.
const big = `CREATE TABLE big (id int PRIMARY KEY, k int); INSERT INTO big SELECT i, i % 10 FROM generate_series(1, 3000) i;
CREATE TABLE part (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k); CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
INSERT INTO part SELECT i, i % 2 FROM generate_series(1, 3000) i;
ANALYZE big, part_0, part_1; UPDATE pg_class SET reltuples = 3000000 WHERE relname IN ('big', 'part_0', 'part_1');
CREATE FUNCTION ran() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'it ran'; END $$;
CREATE TRIGGER ran BEFORE DELETE ON big FOR EACH ROW EXECUTE FUNCTION ran();
CREATE TRIGGER ran BEFORE DELETE ON part FOR EACH ROW EXECUTE FUNCTION ran();`

func TestRunaway_IsRefusedBeforeItHasRun(t *testing.T) {
	e := newEnv(t, blockPolicy(), big)
	for name, m := range modes {
		for _, x := range []struct {
			sql  string
			args []any
			ran  bool
		}{
			{sql: "DELETE FROM big"},
			{sql: "DELETE FROM big WHERE k < $1::int", args: []any{9}},
			{sql: "DELETE FROM big b USING part p WHERE p.id = b.id RETURNING b.*"},
			{sql: "WITH x AS (SELECT 1 AS y) DELETE FROM part WHERE k >= 0 AND EXISTS (SELECT FROM x)"},
			{sql: "DELETE FROM big WHERE id = $1::int", args: []any{7}, ran: true},
			{sql: "DELETE FROM big WHERE id < 9", ran: true},
			{sql: "DELETE FROM big WHERE id = ANY ('{1,2}') AND k < random() + 9", ran: true}, // not to be run twice
		} {
			t.Run(name+"/"+x.sql, func(t *testing.T) {
				c := e.connect(m)
				_, err := c.Exec(context.Background(), x.sql, x.args...)
				var pe *pgconn.PgError
				switch {
				case !errors.As(err, &pe):
					t.Fatalf("%v", err)
				case x.ran && pe.Code != "P0001":
					t.Errorf("%v", pe)
				case !x.ran && (pe.Code != "RB001" || !strings.Contains(pe.Message, "would remove ")):
					t.Errorf("%v %s", pe, pe.Hint)
				}
				if _, err := c.Exec(context.Background(), "SELECT 1"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if es := e.entries(journal.Filter{}); len(es) != 4*len(modes) || es[0].Outcome != journal.Blocked || es[0].Rows < 2000 {
		t.Errorf("%d entries, %+v", len(es), es[0])
	}
}

// Leave, and a mode that refuses nothing, let it run; what the server says of it, it says itself.
func TestRunaway_RunsWithLeave(t *testing.T) {
	ran := func(e *env, sql, want string) {
		t.Helper()
		c := e.connect(pgx.QueryExecModeExec)
		if _, err := c.Exec(context.Background(), sql); sqlstate(err) != want {
			t.Errorf("%s: %v, want %s", sql, err, want)
		}
	}
	e := newEnv(t, alertPolicy(), big)
	ran(e, "DELETE FROM big", "P0001")
	e = newEnv(t, policy.Uniform(policy.Block, policy.Unlimited), big)
	ran(e, "DELETE FROM big", "P0001")
	e = newEnv(t, blockPolicy(), big)
	ran(e, "DELETE FROM big WHERE nope = 1", "42703")
	ran(e, "DELETE FROM big WHERE id < 1 / (k - k)", "22012")
	e.grant(journal.Allowance{Rows: 5000})
	ran(e, "DELETE FROM big", "P0001")
}

// Whether a DELETE runs away is asked of what the portal was bound to.
func TestRunaway_TheStatementIsGone(t *testing.T) {
	parse := func(name, sql string) messages { return messages{&pgproto3.Parse{Name: name, Query: sql}} }
	bind := func(name, v string) messages {
		return messages{&pgproto3.Bind{PreparedStatement: name, Parameters: [][]byte{[]byte(v)}}}
	}
	closed := messages{&pgproto3.Close{ObjectType: 'S', Name: "s"}}
	run := messages{&pgproto3.Execute{}}
	for name, ms := range map[string]messages{
		"closed":   cat(parse("s", "DELETE FROM calm WHERE k < $1"), bind("s", "0"), closed, run, syncMsg),
		"replaced": cat(parse("", "DELETE FROM calm WHERE k < $1"), bind("", "0"), parse("", "SELECT $1::date"), run, syncMsg),
		"other":    cat(parse("", "DELETE FROM calm WHERE k < $1"), bind("", "0"), parse("", "SELECT 1"), run, syncMsg),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), big, "CREATE TABLE calm (id int PRIMARY KEY, k int); INSERT INTO calm SELECT i, i % 10 FROM generate_series(1, 3000) i; ANALYZE calm; UPDATE pg_class SET reltuples = 3000000 WHERE relname = 'calm'")
			e.compare(t, []messages{ms, q("SELECT 1")})
		})
	}
}

// What a DELETE that is asked about first gets is what it would have got.
func TestRunaway_EveryAnswerIsTheServers(t *testing.T) {
	const calm = `CREATE TABLE calm (id int PRIMARY KEY, k int); INSERT INTO calm SELECT i, i % 10 FROM generate_series(1, 3000) i; ANALYZE calm; UPDATE pg_class SET reltuples = 3000000 WHERE relname = 'calm';
CREATE TABLE log (id int);
CREATE TABLE also (LIKE calm INCLUDING ALL); CREATE RULE r AS ON DELETE TO also DO ALSO INSERT INTO log VALUES (OLD.id);
CREATE TABLE instead (LIKE calm INCLUDING ALL); CREATE RULE r AS ON DELETE TO instead DO INSTEAD NOTHING;
CREATE TABLE kid () INHERITS (calm); CREATE VIEW v AS SELECT * FROM calm WHERE k < 8;
ANALYZE also, instead, kid; UPDATE pg_class SET reltuples = 3000000 WHERE relname IN ('also', 'instead', 'kid');
CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE TYPE mood AS ENUM ('a', 'b');`
	e := newEnv(t, blockPolicy(), calm)
	one := func(sql string) []messages {
		return []messages{q(sql), q("SELECT count(*) FROM calm"), q("BEGIN; SELECT 1; " + sql), q("ROLLBACK"), q("BEGIN"), cat(pbe(sql), syncMsg), q("COMMIT")}
	}
	for name, x := range map[string][]messages{
		"also":       one("DELETE FROM also WHERE k < 0"),
		"instead":    one("DELETE FROM instead WHERE k > 0"),
		"only":       one("DELETE FROM ONLY calm WHERE k < 0"),
		"view":       one("DELETE FROM v WHERE k < 0"),
		"mistaken":   one("DELETE FROM calm WHERE k < 'x'"),
		"unknown":    one("DELETE FROM calm WHERE kk < 1"),
		"no op":      one("DELETE FROM calm WHERE k < point '1,2'"),
		"zero":       one("DELETE FROM calm WHERE k < 1 / 0"),
		"domain":     one("DELETE FROM calm WHERE k < (-1)::d"),
		"parameter":  {cat(pbe("DELETE FROM calm WHERE k < $1 AND $2::mood = 'a'", "0", "zz"), syncMsg), cat(pbe("DELETE FROM calm WHERE k < $1 AND $2::mood = 'a'", "0", "a"), syncMsg), cat(pbe("DELETE FROM calm WHERE k < $1 AND $2::int[] = '{}'", "0", "{}"), syncMsg)},
		"read only":  {q("BEGIN READ ONLY"), q("DELETE FROM calm WHERE k >= 0"), q("ROLLBACK"), q("BEGIN READ ONLY"), cat(pbe("DELETE FROM calm WHERE k >= 0"), syncMsg), q("ROLLBACK")},
		"serial":     {q("BEGIN ISOLATION LEVEL SERIALIZABLE"), q("DELETE FROM calm WHERE k < 0"), q("COMMIT")},
		"returning":  one("DELETE FROM calm WHERE k < 0 RETURNING *"),
		"with":       one("WITH x AS (DELETE FROM also WHERE k < 0 RETURNING id) DELETE FROM calm USING x WHERE x.id = calm.id"),
		"comment":    one("/* x */ DELETE FROM calm -- y\n WHERE k < 0"),
		"permission": {q("SET ROLE pg_monitor"), q("DELETE FROM calm"), q("RESET ROLE")},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, x) })
	}
}
