package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// twoMeanings is the table t in each of two schemas: a row of a.t stands alone,
// one of b.t takes ten others along, which is over the limit.
const twoMeanings = `
CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY); INSERT INTO a.t SELECT generate_series(1, 10);
CREATE SCHEMA b; CREATE TABLE b.t (id int PRIMARY KEY); INSERT INTO b.t SELECT generate_series(1, 10);
CREATE TABLE b.child (id int PRIMARY KEY, t int REFERENCES b.t ON DELETE CASCADE);
INSERT INTO b.child SELECT x, (x - 1) / 10 + 1 FROM generate_series(1, 100) x;
CREATE FUNCTION public.look(path text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN pg_catalog.set_config(''search_path'', path, false); END';
CREATE FUNCTION public.tenant(path text) RETURNS text LANGUAGE sql AS $$SELECT pg_catalog.set_config('search_path', path, true)$$;
CREATE FUNCTION public.hidden(path text) RETURNS text LANGUAGE sql AS $$SELECT pg_catalog.set_config('search' || '_path', path, false)$$`

// What a name means is remembered for as long as it means that. "delete" is a
// DELETE of the next row of t; its outcome is "a" (one row of a.t), or an SQLSTATE.
func TestTarget_FollowsTheSearchPath(t *testing.T) {
	for name, steps := range map[string]string{
		"set":                "SET search_path = a; delete a; delete a; SET search_path = b; delete RB001; SET search_path = a; delete a",
		"local, commit":      "SET search_path = b; BEGIN; SET LOCAL search_path = a; delete a; delete a; COMMIT; delete RB001",
		"rollback":           "SET search_path = b; BEGIN; SET search_path = a; delete a; ROLLBACK; delete RB001",
		"nothing deleted":    "SET search_path = a; delete a; BEGIN; SET search_path = b; ROLLBACK; delete a; SET search_path = b; delete RB001",
		"savepoint":          "SET search_path = b; BEGIN; SAVEPOINT s; SET search_path = a; delete a; ROLLBACK TO s; delete RB001; ROLLBACK",
		"local, one Query":   "SET search_path = b; local; delete RB001",
		"new table in front": "SET search_path = a, b; DROP TABLE a.t; delete RB001; CREATE TABLE a.t AS SELECT generate_series(1, 20) AS id; ALTER TABLE a.t ADD PRIMARY KEY (id); delete a",
		"function":           "SET search_path = a; delete a; SELECT public.look('b'); delete RB001; SELECT public.look('a'); delete a",
		"tenants":            "BEGIN; SELECT public.tenant('a'); delete a; COMMIT; BEGIN; SELECT public.tenant('b'); delete RB001; ROLLBACK; BEGIN; SELECT public.tenant('a'); delete a; COMMIT",
		"prepared":           "PREPARE p AS SELECT public.look('b'); SET search_path = a; delete a; EXECUTE p; delete RB001",
		"out of sight":       "SET search_path = a; delete a; SELECT public.hidden('b'); delete 40001; delete RB001; SELECT public.hidden('a'); delete a",
	} {
		for _, mode := range []string{"simple", "unnamed", "named"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				e := newEnv(t, blockPolicy(), twoMeanings)
				c := e.connect(modes[mode])
				id := 0
				for _, step := range strings.Split(steps, "; ") {
					want, isDelete := strings.CutPrefix(step, "delete ")
					if step == "local" { // in one Query with the DELETE
						step = "SET LOCAL search_path = a; DELETE FROM t WHERE id = 10"
					}
					if !isDelete {
						if _, err := c.PgConn().Exec(t.Context(), step).ReadAll(); err != nil {
							t.Fatalf("%s: %v", step, err)
						}
						continue
					}
					id++
					if got := deleteOne(t, c, id); got != want {
						t.Fatalf("%s, step %q (row %d): %s", steps, step, id, got)
					}
				}
				for _, table := range []string{"b.t", "b.child"} {
					var lost bool
					sql := "SELECT count(*) NOT IN (10, 100) FROM " + table
					if err := connect(t, e.direct, pgx.QueryExecModeExec).QueryRow(t.Context(), sql).Scan(&lost); err != nil || lost {
						t.Errorf("%s has lost rows (%v)", table, err)
					}
				}
			})
		}
	}
}

// A trigger that a DELETE fires, wherever that is, may change what names mean for the next.
func TestTarget_FollowsTriggersOfDeletes(t *testing.T) {
	const trigger = " ON fires FOR EACH ROW EXECUTE FUNCTION leaves()"
	for name, x := range map[string]struct{ setup, fires string }{
		"its own":        {"CREATE TRIGGER x BEFORE DELETE" + trigger, "DELETE FROM fires"},
		"a cascade's":    {"CREATE TABLE top (id int PRIMARY KEY); INSERT INTO top VALUES (1); ALTER TABLE fires ADD FOREIGN KEY (id) REFERENCES top ON DELETE CASCADE; CREATE TRIGGER x AFTER DELETE" + trigger, "DELETE FROM top"},
		"a cut link's":   {"CREATE TABLE top (id int PRIMARY KEY); INSERT INTO top VALUES (1); ALTER TABLE fires ADD FOREIGN KEY (id) REFERENCES top ON DELETE SET NULL; CREATE TRIGGER x AFTER UPDATE" + trigger, "DELETE FROM top"},
		"a partition's":  {"CREATE TABLE parts (id int) PARTITION BY LIST (id); ALTER TABLE parts ATTACH PARTITION fires DEFAULT; CREATE TRIGGER x BEFORE DELETE" + trigger, "DELETE FROM parts"},
		"an heir's":      {"CREATE TABLE elder (id int); ALTER TABLE fires INHERIT elder; CREATE TRIGGER x BEFORE DELETE" + trigger, "DELETE FROM elder"},
		"a view's":       {"CREATE VIEW seen AS SELECT * FROM fires; CREATE TRIGGER x INSTEAD OF DELETE ON seen FOR EACH ROW EXECUTE FUNCTION leaves()", "DELETE FROM seen"},
		"under a view":   {"CREATE VIEW seen AS SELECT * FROM fires; CREATE TRIGGER x BEFORE DELETE" + trigger, "DELETE FROM seen"},
		"below a WITH":   {"CREATE TRIGGER x BEFORE DELETE" + trigger, "WITH w AS (DELETE FROM fires RETURNING id) SELECT * FROM w"},
		"in a function":  {"CREATE TRIGGER x BEFORE DELETE" + trigger + "; CREATE FUNCTION clear() RETURNS void LANGUAGE sql AS 'DELETE FROM public.fires'", "SELECT clear()"},
		"in a DO block":  {"CREATE TRIGGER x BEFORE DELETE" + trigger, "DO 'BEGIN DELETE FROM fires; END'"},
		"and taken back": {"CREATE TRIGGER x BEFORE DELETE" + trigger, "SAVEPOINT a; DELETE FROM fires; DELETE FROM t WHERE id = 4; ROLLBACK TO a"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 1000), twoMeanings, "CREATE TABLE fires (id int); INSERT INTO fires VALUES (1); "+
				"CREATE FUNCTION leaves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('search_path', 'b, public', false); IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END$$", x.setup)
			steps := strings.Split("BEGIN; DELETE FROM t WHERE id = 1; "+x.fires+"; DELETE FROM t WHERE id = 2; DELETE FROM t WHERE id = 3; COMMIT", "; ")
			var single []messages
			var pipeline messages
			for _, sql := range steps {
				single, pipeline = append(single, q(sql)), append(pipeline, pbe(sql)...)
			}
			for _, exchange := range [][]messages{single, {cat(pipeline, syncMsg)}, {q(strings.Join(steps, "; "))}} {
				e.compare(t, append(append([]messages{q("SET search_path = a, public"), q("DELETE FROM t WHERE id = 10")}, exchange...), q("SELECT (SELECT array_agg(id) FROM a.t), (SELECT array_agg(id) FROM b.t)")))
			}
		})
	}
}

// What a role may read is its own: one that a function has set may only delete.
func TestTarget_FollowsTheRole(t *testing.T) {
	const web = "DROP ROLE IF EXISTS web; CREATE ROLE web; GRANT DELETE ON plain TO web"
	e := newEnv(t, blockPolicy(), shop, web+`; CREATE FUNCTION becomes(r text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN set_config('role', r, true); END$$`)
	t.Cleanup(func() { pgtest.Exec(t, e.direct, "DROP OWNED BY web; DROP ROLE web") })
	for name, m := range modes {
		c := e.connect(m)
		for _, role := range []string{"none", "web", "none", "web"} {
			mustExec(t, c, "BEGIN")
			mustExec(t, c, "SELECT becomes('"+role+"')")
			if _, err := c.Exec(t.Context(), "DELETE FROM plain WHERE false"); err != nil {
				t.Errorf("%s, as %s: %v", name, role, err)
			}
			mustExec(t, c, "ROLLBACK")
		}
	}
}

// deleteOne deletes a row of t and says what became of it.
func deleteOne(t *testing.T, c *pgx.Conn, id int) string {
	t.Helper()
	tag, err := c.Exec(context.Background(), "DELETE FROM t WHERE id = $1", id)
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe):
		return pe.Code
	case err != nil:
		t.Fatal(err)
	case tag.RowsAffected() != 1:
		t.Fatalf("%s", tag)
	}
	return "a"
}
