package guard_test

import (
	"os"
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// inFront are operators in the place of the server's own, which log what they run in.
const inFront = `CREATE SCHEMA front;
DO $do$ DECLARE o record; BEGIN
FOR o IN SELECT oprname, format_type(oprleft, NULL) l, format_type(oprright, NULL) r, format_type(oprresult, NULL) result, row_number() OVER () n FROM pg_operator WHERE oprleft <> 0 AND oprnamespace = 'pg_catalog'::regnamespace LOOP
	BEGIN
		EXECUTE format('CREATE FUNCTION front.f%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN RAISE LOG ''in front: %%'', current_query(); RETURN $1 OPERATOR(pg_catalog.%s) $2; END $$', o.n, o.l, o.r, o.result, o.oprname);
		EXECUTE format('CREATE OPERATOR front.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = front.f%s)', o.oprname, o.l, o.r, o.n);
	EXCEPTION WHEN others THEN NULL; -- of types that PL/pgSQL takes none of
	END;
END LOOP; END $do$;
CREATE FUNCTION rids() RETURNS void LANGUAGE sql AS 'DELETE FROM plain WHERE id OPERATOR(pg_catalog.=) 9'`

// An operator of the database's own, which may delete, runs in the client's statements only:
// what it does in a query of rowback's, nobody counts.
func TestOperators_RowbackRunsTheServersOwn(t *testing.T) {
	rows, hold, soft := policy.Uniform(policy.Block, 1000), policy.Uniform(policy.Hold, 1000), policy.Uniform(policy.Alert, 1)
	rows.Default.Capture, rows.Default.Updates = policy.CaptureRows, true
	hold.Default.Fraction = 1
	soft.Default.SoftDelete = []string{"a"}
	for name, p := range map[string]policy.Policy{"rows": rows, "hold": hold, "soft deletes": soft} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, p, shop, wireExtra, scriptTables, inFront)
			before, err := os.ReadFile(pgtest.Shared(t).Log())
			if err != nil {
				t.Fatal(err)
			}
			c := e.connect(modes["unnamed"])
			for _, sql := range []string{
				"SET search_path = front, pg_catalog, public", "BEGIN", "SAVEPOINT a", "DELETE FROM plain WHERE id OPERATOR(pg_catalog.=) 1", "ROLLBACK TO a", "DELETE FROM orders WHERE id OPERATOR(pg_catalog.=) 2 RETURNING kind", "DELETE FROM tree WHERE id OPERATOR(pg_catalog.=) 3",
				"DELETE FROM lists WHERE id OPERATOR(pg_catalog.=) 3", "DELETE FROM heirs WHERE id OPERATOR(pg_catalog.=) 13", "COMMIT", "UPDATE plain SET a = NULL WHERE id OPERATOR(pg_catalog.=) 4", "UPDATE plain SET a = 'x' WHERE id OPERATOR(pg_catalog.=) 4", "SELECT rids()",
				"DO $$ BEGIN DELETE FROM few WHERE id OPERATOR(pg_catalog.=) 1; END $$", "BEGIN ISOLATION LEVEL REPEATABLE READ", "DELETE FROM orders WHERE id OPERATOR(pg_catalog.=) 5", "TRUNCATE few", "COMMIT", "CREATE TABLE made (id int PRIMARY KEY, o int REFERENCES orders ON DELETE CASCADE)",
				"DELETE FROM orders WHERE id OPERATOR(pg_catalog.=) 7", "ALTER TABLE made DROP COLUMN o", "DROP TABLE made", "CREATE TEMP TABLE plain (id int)", "DELETE FROM plain", "DROP TABLE pg_temp.plain", "BEGIN", "DELETE FROM plain WHERE id OPERATOR(pg_catalog.=) 41", "PREPARE TRANSACTION 'front'",
				"COMMIT PREPARED 'front'", "PREPARE d AS DELETE FROM plain WHERE id OPERATOR(pg_catalog.=) 42", "EXECUTE d", "ALTER TABLE lists DETACH PARTITION lists_1", "EXPLAIN ANALYZE DELETE FROM plain WHERE id OPERATOR(pg_catalog.=) 43", "DELETE FROM small", "DISCARD ALL",
			} {
				mustExec(t, c, sql)
			}
			log, err := os.ReadFile(pgtest.Shared(t).Log())
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(log[len(before):])) {
				if strings.Contains(line, "in front: ") {
					t.Error(line)
				}
			}
		})
	}
}
