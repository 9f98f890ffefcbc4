package guard_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowback/rowback/internal/pgtest"
)

// While the catalog has changed and cannot be looked at, as in an old snapshot, all is
// counted. Here what then does not delete goes on as ever.

// inOldSnapshot is a session in a block that does not see what another one has changed.
func (e *env) inOldSnapshot(begin, change string) *pgx.Conn {
	e.t.Helper()
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	for _, sql := range []string{"SELECT 1", begin, "SELECT count(*) FROM plain"} {
		mustExec(e.t, c, sql)
	}
	mustExec(e.t, e.connect(pgx.QueryExecModeSimpleProtocol), change)
	return c
}

// harmful makes f one that deletes.
const harmful = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM plain; RETURN 1; END'"

func TestUnlikely_TheJournalIsDown(t *testing.T) {
	ctx := context.Background()
	e, j := withFaulty(t, shop, "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'")
	j.down.Store(true)
	_, err := e.connect(pgx.QueryExecModeSimpleProtocol).Exec(ctx, "DELETE FROM plain WHERE id = 1") // from now on that is known
	wantCode(t, err, "RB002")
	before := e.keys()
	for sql, code := range map[string]string{"SELECT count(*) FROM plain": "", "UPDATE plain SET a = 'x' WHERE id = 3": "", "COPY plain TO STDOUT": "", "SELECT f()": "RB002", "DELETE FROM plain WHERE id = 2": "RB002"} {
		c := e.inOldSnapshot("BEGIN ISOLATION LEVEL REPEATABLE READ", harmful)
		if _, err := c.Exec(ctx, sql); sqlstate(err) != code {
			t.Errorf("%s: %v, want %q", sql, err, code)
		}
		mustExec(t, c, "COMMIT")
		pgtest.Exec(t, e.direct, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'")
		e.look()
	}
	equal(t, "keys left", e.keys(), before)
}

// Nothing can be removed where a transaction is READ ONLY, as pg_dump's is: the counters of all
// tables are not read for each of its statements.
func TestUnlikely_ReadOnly(t *testing.T) {
	for begin, want := range map[string]uint64{"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY": 0, "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY": 0, "BEGIN ISOLATION LEVEL REPEATABLE READ": 2} {
		e := newEnv(t, blockPolicy(), shop)
		c := e.inOldSnapshot(begin, "CREATE VIEW made AS SELECT 1 AS id")
		for _, sql := range []string{"SELECT count(*) FROM orders", "COPY plain TO STDOUT", "COMMIT"} {
			mustExec(t, c, sql)
		}
		if n := e.routed(t, "count"); n != want {
			t.Errorf("%s: %d statements are counted, want %d", begin, n, want)
		}
	}
}

// routed is how many statements were guarded by a route.
func (e *env) routed(t *testing.T, route string) (n uint64) {
	t.Helper()
	r := prometheus.NewRegistry()
	if err := e.metrics.Register(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, s := range f.Metric {
			if f.GetName() == "rowback_guarded_statement_seconds" && s.Label[0].GetValue() == route {
				n = s.GetHistogram().GetSampleCount()
			}
		}
	}
	return n
}

// An ALTER TABLE that writes a table anew takes nothing from it; a TRUNCATE on the way does.
func TestUnlikely_Rewrites(t *testing.T) {
	const truncating = `CREATE FUNCTION emptied() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN TRUNCATE plain; END'; CREATE EVENT TRIGGER emptied ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION emptied()`
	for name, x := range map[string]struct {
		change, code string
		run          []string
	}{
		"by itself":     {"CREATE TABLE made (id int)", "", []string{"ALTER TABLE plain ALTER id TYPE bigint"}},
		"with others":   {"CREATE TABLE made (id int)", "", []string{"CREATE TABLE mine AS SELECT * FROM plain", "SELECT 1", "ALTER TABLE mine ALTER id TYPE bigint", "SELECT 1", "ALTER TABLE plain ALTER id TYPE bigint"}},
		"nobody's":      {"SELECT 1", "", []string{"CREATE TABLE mine AS SELECT * FROM plain", "ALTER TABLE plain ALTER id TYPE bigint"}},
		"truncated too": {truncating, "RB001", []string{"ALTER TABLE plain ALTER id TYPE bigint"}},
		"another one":   {truncating, "RB001", []string{"ALTER TABLE orders ADD more int"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop, "ANALYZE")
			c := e.inOldSnapshot("BEGIN ISOLATION LEVEL SERIALIZABLE", x.change)
			var err error
			for _, sql := range x.run {
				if _, err = c.Exec(context.Background(), sql); err != nil {
					break
				}
			}
			if sqlstate(err) != x.code {
				t.Errorf("%v, want %q", err, x.code)
			}
		})
	}
}

// A DO block that commits is no more than it says.
func TestUnlikely_DoThatCommits(t *testing.T) {
	pgtest.Before(t, 18, "the server refuses it behind a statement of rowback's own")
	e := newEnv(t, blockPolicy(), shop)
	c, other := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol)
	mustExec(t, c, "SELECT 1")
	mustExec(t, other, "CREATE VIEW made AS SELECT 1 AS id")
	_, lock := e.blockReading("pg_catalog.pg_depend")
	for _, sql := range []string{"DO $$ BEGIN INSERT INTO plain VALUES (2000); COMMIT; END $$", "SELECT 1"} {
		mustExec(t, c, sql)
	}
	mustExec(t, lock, "ROLLBACK")
}
