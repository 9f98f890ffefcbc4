package guard_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// A statement that waits for another session's migration runs by what that has made of its
// table.
func TestMigration_StatementsThatWaitForOne(t *testing.T) {
	const trigger = "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()"
	for name, x := range map[string]struct{ setup, change, run string }{
		"a trigger made":    {"", trigger, "INSERT INTO log VALUES (1)"},
		"a trigger enabled": {trigger + "; ALTER TABLE log DISABLE TRIGGER tr", "ALTER TABLE log ENABLE TRIGGER tr", "INSERT INTO log VALUES (1)"},
		"a default":         {"", "ALTER TABLE log ADD w int; ALTER TABLE log ALTER w SET DEFAULT purge()", "INSERT INTO log (v) VALUES (1)"},
		"a rule":            {"", "CREATE RULE r AS ON INSERT TO log DO ALSO DELETE FROM victim", "INSERT INTO log VALUES (1)"},
		"a view":            {"CREATE VIEW vv AS SELECT 1 AS x", "LOCK TABLE vv; CREATE OR REPLACE VIEW vv AS SELECT purge() AS x", "SELECT x FROM vv"},
	} {
		for mode, m := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "named": pgx.QueryExecModeCacheStatement} {
			t.Run(name+", "+mode, func(t *testing.T) {
				e := newEnv(t, policy.Uniform(policy.Block, 10), purges, x.setup)
				maker, c, watch := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(m), e.watch()
				mustExec(t, c, "SELECT 1")
				mustExec(t, maker, "BEGIN")
				mustExec(t, maker, x.change)
				done := make(chan error)
				go func() {
					_, err := c.Exec(context.Background(), x.run)
					done <- err
				}()
				e.awaitLock(watch)
				mustExec(t, maker, "COMMIT")
				if err := <-done; sqlstate(err) != "RB001" {
					t.Error(err)
				}
				if left := len(e.victims()); left != 20 {
					t.Errorf("%d rows are left of 20", left)
				}
				if before := e.routed(t, "count"); before == 0 {
					t.Error("nothing was counted")
				} else if mustExec(t, c, "SELECT 1"); e.routed(t, "count") != before {
					t.Error("it is counted still when the migration has ended")
				}
			})
		}
	}
}

// What gives a table another column, or is taken back, is nothing to other sessions.
func TestMigration_OfNoConsequence(t *testing.T) {
	for _, change := range []string{"ALTER TABLE log ADD w int", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER TABLE log DISABLE TRIGGER ALL; ROLLBACK"} {
		e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
		maker, c := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeExec)
		mustExec(t, c, "SELECT 1")
		mustExec(t, maker, "BEGIN")
		mustExec(t, maker, change)
		mustExec(t, c, "SELECT count(*) FROM victim")
		if n := e.routed(t, "count"); n != 0 {
			t.Errorf("%s: %d statements of another session were counted", change, n)
		}
	}
}

// A database that gets another one's name is not judged by that one's catalog.
func TestMigration_ADatabaseGetsAnothersName(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
	other := pgtest.Database(t, purges, "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()")
	insert := func() error {
		c := e.connect(pgx.QueryExecModeSimpleProtocol)
		defer c.Close(context.Background())
		_, err := c.Exec(t.Context(), "INSERT INTO log VALUES (1)")
		return err
	}
	for range 2 { // the catalog is known then
		if err := insert(); err != nil {
			t.Fatal(err)
		}
	}
	admin := connect(t, strings.Replace(e.url, "/"+e.database, "/postgres", 1), pgx.QueryExecModeSimpleProtocol)
	rename := func(from, to string) {
		t.Helper()
		for deadline := time.Now().Add(pollTime); ; {
			_, err := admin.Exec(context.Background(), "ALTER DATABASE "+from+" RENAME TO "+to)
			if err == nil {
				return
			}
			if sqlstate(err) != "55006" || time.Now().After(deadline) { // its last session is still going
				t.Fatal(err)
			}
		}
	}
	rename(e.database, "set_aside")
	rename(other, e.database)
	err := insert()
	rename(e.database, other)
	rename("set_aside", e.database)
	if sqlstate(err) != "RB001" {
		t.Error(err)
	}
}
