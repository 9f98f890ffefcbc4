package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
)

const declareHeld = "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM plain ORDER BY id"

// A cursor WITH HOLD that deletes nothing outlives its transaction, whatever else is, or
// was, open in that.
func TestHoldable_CommitBesideOtherCursors(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra, `CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS $$DECLARE c refcursor := 'o'; BEGIN OPEN c FOR SELECT purge(2); RETURN c; END$$`)
	del := func(portal, sql string) messages {
		return cat(parse("d", sql), bind(portal, "d"), execute(portal, 0))
	}
	for name, x := range map[string][]messages{
		"a portal of a DELETE":               {q("BEGIN"), q(declareHeld), cat(del("p", "DELETE FROM plain WHERE id = 1 RETURNING id"), syncMsg), q("COMMIT"), q("FETCH c"), q("CLOSE c")},
		"a portal before":                    {q("BEGIN"), cat(del("p", "DELETE FROM plain WHERE id = 2 RETURNING id"), closed('P', "p"), syncMsg), q(declareHeld), q("COMMIT"), q("FETCH c"), q("CLOSE c")},
		"a portal without rows":              {q("BEGIN"), cat(del("p", "DELETE FROM plain WHERE id = 3"), syncMsg), q(declareHeld), q("COMMIT"), q("FETCH c"), q("CLOSE c")},
		"a portal that never ran":            {q("BEGIN"), cat(parse("d", "DELETE FROM plain WHERE id = 4"), bind("p", "d"), syncMsg), q(declareHeld), q("COMMIT"), q("FETCH c"), q("CLOSE c")},
		"a portal of what is counted":        {q("BEGIN"), cat(del("p", "SELECT purge(2)"), syncMsg), q(declareHeld), q("COMMIT"), q("FETCH c"), q("CLOSE c")},
		"behind what came to delete":         {q("CREATE FUNCTION came() RETURNS int LANGUAGE sql AS 'SELECT 1'"), q("BEGIN; CREATE OR REPLACE FUNCTION came() RETURNS int LANGUAGE sql AS 'DELETE FROM plain WHERE id = 5 RETURNING id'; " + declareHeld + "; DISCARD TEMP; COMMIT"), q("FETCH c"), q("CLOSE c")},
		"a function's cursor over a removal": {q("BEGIN"), q("SELECT opens()"), q(declareHeld), q("COMMIT"), q("FETCH c"), q("CLOSE c")},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, x) })
	}
}

// What others make while the cursor is open it cannot call, but what was there and is
// made anew it may.
func TestHoldable_CommitAfterAnotherSessionsDDL(t *testing.T) {
	for name, x := range map[string]struct {
		setup, change, held string
		refused             bool
	}{
		"a function made":                {"", "CREATE FUNCTION unrelated() RETURNS void LANGUAGE sql AS 'DELETE FROM tree WHERE id = 1'", "SELECT id FROM plain", false},
		"a view made":                    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM tree WHERE id = 1 RETURNING 1'", "CREATE VIEW v AS SELECT f()", "SELECT id FROM plain", false},
		"a trigger made":                 {"CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM tree WHERE id = 1; RETURN NULL; END'", "CREATE TRIGGER tr AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION tf()", "SELECT id FROM plain", false},
		"its function replaced":          {"CREATE FUNCTION f() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM tree WHERE id = 1 RETURNING 1'", "SELECT f()", true},
		"… and renamed":                  {"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM tree WHERE id = 1; RETURN 1; END'; ALTER FUNCTION f RENAME TO g", "SELECT f()", true},
		"… that runs text by a new name": {"", "CREATE FUNCTION n() RETURNS int LANGUAGE sql AS 'DELETE FROM tree WHERE id = 1 RETURNING 1'", "SELECT query_to_xml('SELECT n()', true, true, '')", true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop, x.setup)
			a, b := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol)
			mustExec(t, b, "SELECT 1")
			for _, sql := range []string{"SELECT 1", "BEGIN", "DECLARE c CURSOR WITH HOLD FOR " + x.held} {
				mustExec(t, a, sql)
			}
			mustExec(t, b, x.change)
			mustExec(t, a, "SELECT 1")
			if _, err := a.Exec(t.Context(), "COMMIT"); (sqlstate(err) == "RB001") != x.refused || err != nil && !strings.Contains(err.Error(), "WITH HOLD") {
				t.Errorf("COMMIT: %v", err)
			}
		})
	}
}

// At COMMIT a cursor WITH HOLD finds nothing any more that it could fetch from.
func TestHoldable_FetchesNothingAtCommit(t *testing.T) {
	for i := range 8 { // the server ends portals in no order
		e := newEnv(t, policy.Uniform(policy.Block, 10), purges, fetchers)
		p := fmt.Sprint("p", i)
		talkAll(t, e.url, []messages{q("BEGIN"), cat(parse("d", "DELETE FROM victim"), bindTo(p, "d"), syncMsg), q("DECLARE c CURSOR WITH HOLD FOR SELECT fetchit('" + p + "')"), q("COMMIT")})
		if left := len(e.victims()); left != 20 {
			t.Errorf("%s: %d rows are left of 20", p, left)
		}
	}
}
