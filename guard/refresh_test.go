package guard_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// blockCatalog makes whoever reads the catalog wait. awaited returns once a
// session has waited that long, release lets all go on.
func (e *env) blockCatalog() (awaited func(time.Duration), release func()) {
	t := e.t
	t.Helper()
	awaited, direct := e.blockReading("pg_catalog.pg_trigger")
	return awaited, func() {
		t.Helper()
		if _, err := direct.Exec(context.Background(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

// blockReading is blockCatalog for who reads one table of it, until the transaction
// of direct ends.
func (e *env) blockReading(table string) (awaited func(time.Duration), direct *pgx.Conn) {
	t, ctx := e.t, context.Background()
	t.Helper()
	direct, err := pgx.Connect(ctx, e.direct)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = direct.Close(ctx) })
	if _, err := direct.Exec(ctx, "BEGIN; LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func(least time.Duration) {
		t.Helper()
		for deadline := time.Now().Add(pollTime); ; {
			var waits bool
			mustExec(t, direct, "SELECT pg_stat_clear_snapshot()") // else a transaction sees the sessions as it first did
			err := direct.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $2::regclass
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid IN (SELECT pid FROM pg_stat_activity WHERE clock_timestamp() - query_start > $1::interval))`, least, table).Scan(&waits)
			if err != nil {
				t.Fatal(err)
			}
			if waits {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("nobody waits for %s", table)
			}
		}
	}, direct
}

// A client that cancels while rowback reads the catalog has cancelled its own statement.
func TestRefresh_ACancelIsForTheClientsStatement(t *testing.T) {
	for _, sql := range [][]string{{"DELETE FROM plain WHERE id = 1"}, {"SELECT 1", "CREATE TABLE made (id int)", "DELETE FROM plain WHERE id = 1"}} {
		for name, m := range modes {
			t.Run(name, func(t *testing.T) {
				e := newEnv(t, blockPolicy(), shop)
				c := e.connect(m)
				n := len(sql) - 1
				for _, sql := range sql[:n] {
					if _, err := c.Exec(t.Context(), sql); err != nil {
						t.Fatal(err)
					}
				}
				awaited, release := e.blockCatalog()
				failed := make(chan error, 1)
				go func() {
					_, err := c.Exec(context.Background(), sql[n])
					failed <- err
				}()
				awaited(0)
				if err := c.PgConn().CancelRequest(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := <-failed; sqlstate(err) != "57014" {
					t.Errorf("%v, want 57014", err)
				}
				release()
				if gone := e.entries(journal.Filter{}); len(gone) != 0 {
					t.Errorf("%+v", gone)
				}
				if _, err := c.Exec(t.Context(), "DELETE FROM plain WHERE id = 2"); err != nil {
					t.Fatal(err)
				}
				equal(t, "journalled", e.journalled(), []string{"plain 2"})
			})
		}
	}
}

// A session's own time limit does not make rowback miss the catalog.
func TestRefresh_WaitsBeyondTheSessionsTimeLimit(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	e.url += "&options=-c%20statement_timeout%3D1s%20-c%20lock_timeout%3D1s"
	c := e.connect(pgx.QueryExecModeExec)
	awaited, release := e.blockCatalog()
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "DELETE FROM plain WHERE id = 2")
		done <- err
	}()
	awaited(1200 * time.Millisecond)
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	equal(t, "journalled", e.journalled(), []string{"plain 2"})
}

// What keeps the first session of a database from reading the catalog, or from what it
// sends itself, is no matter of the others.
func TestRefresh_TheFirstLookKeepsNobodyWaiting(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), pollTime)
	defer cancel()
	for name, hinder := range map[string]func(*env) (await func(), release func()){
		"it waits for a safe snapshot": func(e *env) (func(), func()) {
			writer := connect(t, e.direct, pgx.QueryExecModeSimpleProtocol)
			mustExec(t, writer, "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE plain SET a = 'x' WHERE id = 1")
			asks := connect(t, e.direct, pgx.QueryExecModeSimpleProtocol)
			return func() {
				for waits := false; !waits && ctx.Err() == nil; {
					if err := asks.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SafeSnapshot')").Scan(&waits); err != nil {
						t.Fatal(err)
					}
				}
			}, func() { mustExec(t, writer, "ROLLBACK") }
		},
		"a lock": func(e *env) (func(), func()) {
			awaited, release := e.blockCatalog()
			return func() { awaited(0) }, release
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			await, release := hinder(e)
			first := connect(t, e.url+"&options=-c%20default_transaction_isolation%3Dserializable%20-c%20default_transaction_read_only%3Don%20-c%20default_transaction_deferrable%3Don", pgx.QueryExecModeSimpleProtocol)
			done := make(chan error, 1)
			go func() {
				_, err := first.Exec(ctx, "SELECT count(*) FROM plain")
				done <- err
			}()
			await()
			c := e.connect(pgx.QueryExecModeSimpleProtocol)
			for _, sql := range []string{"BEGIN", "DECLARE c CURSOR FOR SELECT 1", "FETCH c", "COMMIT"} {
				if _, err := c.Exec(ctx, sql); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
			release()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// What another session has told of a change while the catalog is looked at for a statement
// is known to that statement: a trigger that deletes 20 rows, over a limit of 10.
func TestRefresh_AChangeAmidALook(t *testing.T) {
	for name, begin := range map[string]string{"a statement alone": "SELECT 1", "in a block": "BEGIN", "in a block that changed the catalog": "BEGIN; CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"} {
		for mode, insert := range map[string]messages{"query": q("INSERT INTO log VALUES (1)"), "extended": cat(pbe("INSERT INTO log VALUES (1)"), syncMsg)} {
			t.Run(name+", "+mode, func(t *testing.T) {
				e := newEnv(t, policy.Uniform(policy.Block, 10), purges, "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger(); ALTER TABLE log DISABLE TRIGGER tr")
				user, deploys, other := dialRaw(t, e.url), dialRaw(t, e.url), e.connect(pgx.QueryExecModeSimpleProtocol)
				user.say(q(begin))
				awaitsLog, writer := e.blockReading("log")
				deploys.post(q("ALTER TABLE log ENABLE TRIGGER tr"))
				awaitsLog(0)
				mustExec(t, other, "CREATE FUNCTION harmless() RETURNS int LANGUAGE sql AS 'SELECT 1'") // there is something to look at
				awaited, lock := e.blockReading("pg_catalog.pg_language")                               // triggers are read before
				user.post(insert)
				awaited(0)
				mustExec(t, writer, "ROLLBACK")
				if _, err := deploys.said(1); err != nil {
					t.Fatal(err)
				}
				mustExec(t, lock, "ROLLBACK")
				if got, err := user.said(1); err != nil || !strings.Contains(strings.Join(got, "\n"), `"RB001"`) {
					t.Errorf("%s %v, want RB001", got, err)
				}
				user.say(q("COMMIT"))
				if left := len(e.victims()); left != 20 {
					t.Errorf("%d rows are left of 20", left)
				}
			})
		}
	}
}
