package guard_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/journal"
)

// Another session changes the catalog while one is between its messages: the look at it
// does not come before what has to be the first of its transaction.
func TestRefresh_NotBeforeWhatMustBeFirst(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	other := e.connect(pgx.QueryExecModeSimpleProtocol)
	r := dialRaw(t, e.url)
	n := 0
	change := func() {
		n++
		mustExec(t, other, fmt.Sprintf("CREATE TABLE made_%d (id int)", n))
	}
	// amid sends messages, and has the catalog changed between each two of them.
	amid := func(ms ...messages) {
		t.Helper()
		for _, m := range ms {
			change()
			for _, x := range cat(m, flush) {
				r.Send(x)
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		r.Send(&pgproto3.Sync{})
		if a := strings.Join(r.answers(1), "\n"); strings.Contains(a, "ErrorResponse") {
			t.Error(a)
		}
	}
	for _, name := range []string{"", "s"} {
		for _, end := range []string{"COMMIT PREPARED", "ROLLBACK PREPARED"} {
			for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id = 1", "PREPARE TRANSACTION '" + e.database + "'"} {
				r.Send(&pgproto3.Query{String: sql})
				r.answers(1)
			}
			amid(closed('S', name), parse(name, end+" '"+e.database+"'"), bind("", name), execute("", 0))
		}
	}
	amid(parse("", "BEGIN"), bind("", ""), execute("", 0), parse("", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), bind("", ""), execute("", 0),
		parse("", "DELETE FROM plain WHERE id = 2"), bind("", ""), execute("", 0), parse("", "ROLLBACK"), bind("", ""), execute("", 0))
}

// Nor before one that was prepared under a name, in an exchange of its own.
func TestRefresh_NotBeforeWhatIsPreparedAndMustBeFirst(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	other := e.connect(pgx.QueryExecModeSimpleProtocol)
	for i, sql := range []string{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET LOCAL transaction_isolation = 'serializable'", "LOCK TABLE plain", "SET TRANSACTION READ ONLY"} {
		for _, again := range []messages{nil, q("SELECT 1")} { // known from the Parse, and when all are judged again
			r := dialRaw(t, e.url)
			r.say(parse("s", sql), syncMsg)
			mustExec(t, other, fmt.Sprintf("CREATE TABLE made_%d_%d (id int)", i, len(again)))
			if again != nil {
				r.say(again)
				r.say(parse("x", "DELETE FROM plain WHERE id = -1"), bind("", "x"), syncMsg)
			}
			r.say(q("BEGIN"))
			mustExec(t, other, fmt.Sprintf("CREATE TABLE also_%d_%d (id int)", i, len(again)))
			// What takes a snapshot is refused behind that.
			if a := r.say(bind("", "s"), execute("", 0), syncMsg) + r.say(q("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")); strings.Contains(a, "ErrorResponse") {
				t.Errorf("%s: %s", sql, a)
			}
			r.say(q("ROLLBACK"))
		}
	}
}

// Nor before what runs in a transaction of its own only, or commits by itself.
func TestRefresh_NotBeforeWhatMustBeAlone(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, "CREATE TABLE log (v int); CREATE PROCEDURE pc() LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); COMMIT; INSERT INTO log VALUES (2); END'",
		"CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'")
	changes := map[string]string{"shape": "CREATE TABLE IF NOT EXISTS made (id int)", "function": "CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"more that deletes": "CREATE FUNCTION %s() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM plain WHERE id < 0; RETURN 1; END'"}
	deploys, others, n := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol), 0
	for _, sql := range []string{"VACUUM plain", "CREATE INDEX CONCURRENTLY IF NOT EXISTS log_v ON log (v)", "REINDEX TABLE CONCURRENTLY plain", "DROP INDEX CONCURRENTLY IF EXISTS log_v", "CALL pc()", "DO 'BEGIN INSERT INTO log VALUES (1); COMMIT; END'"} {
		for kind, change := range changes {
			for _, name := range []string{"", "s"} {
				all := cat(parse(name, sql), bind("", name), messages{&pgproto3.Describe{ObjectType: 'P'}}, execute("", 0), syncMsg)
				for before := 1; before < len(all)-1; before++ {
					r := dialRaw(t, e.url)
					r.say(q("SELECT g()"))
					for _, m := range cat(all[:before], flush) {
						r.Send(m)
					}
					if err := r.Flush(); err != nil {
						t.Fatal(err)
					}
					for range before { // each has one answer
						if m, err := r.Receive(); err != nil {
							t.Fatal(m, err)
						}
					}
					mustExec(t, deploys, strings.Replace(change, "%s", fmt.Sprintf("f%d", n), 1))
					if n++; n%2 == 0 { // somebody else has looked
						mustExec(t, others, "SELECT g()")
					}
					if a := r.say(all[before:]); strings.Contains(a, "ErrorResponse") {
						t.Errorf("%s, %s of %q before %T: %.300s", kind, sql, name, all[before], a)
					}
				}
			}
		}
	}
}

// Nor before what is refused, or warned of, outside of a block.
func TestRefresh_NotBeforeWhatNeedsABlock(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'")
	changes := map[string]string{"shape": "CREATE TABLE made%d (id int)", "function": "CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1 /* %d */'",
		"more that deletes": "CREATE FUNCTION d%d() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM plain WHERE id < 0; RETURN 1; END'"}
	deploys, others, n := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol), 0
	for _, sql := range []string{"LOCK TABLE plain", "DECLARE c CURSOR FOR SELECT g()", "SET CONSTRAINTS ALL DEFERRED", "SET LOCAL work_mem = '1MB'", "SET TRANSACTION READ ONLY"} {
		for kind, change := range changes {
			for _, name := range []string{"", "s"} {
				all := cat(parse(name, sql), bind("", name), execute("", 0), syncMsg)
				for before := range len(all) - 1 {
					direct, r := dialRaw(t, e.direct), dialRaw(t, e.url)
					want := direct.say(all)
					r.say(q("SELECT g()"))
					r.post(all[:before], flush)
					for range before {
						if m, err := r.Receive(); err != nil {
							t.Fatal(m, err)
						}
					}
					mustExec(t, deploys, fmt.Sprintf(change, n))
					if n++; n%2 == 0 { // somebody else has looked
						mustExec(t, others, "SELECT g()")
					}
					if got := r.say(all[before:]); !strings.HasSuffix(want, got) {
						t.Errorf("%s, %s of %q before %T: %.500s, want the end of %.500s", kind, sql, name, all[before], got, want)
					}
				}
			}
		}
	}
}

// The same by simple Query, at any moment.
func TestRefresh_NotBeforeCommitPrepared(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	other := e.connect(pgx.QueryExecModeSimpleProtocol)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := other.Exec(context.Background(), "CREATE TABLE made (id int); DROP TABLE made"); err != nil {
				stopped <- err
				return
			}
		}
	}()
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	for i := range 150 {
		for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id = 1", "PREPARE TRANSACTION '" + e.database + "'"} {
			mustExec(t, c, sql)
		}
		if _, err := c.Exec(context.Background(), []string{"ROLLBACK", "COMMIT"}[i%2]+" PREPARED '"+e.database+"'"); err != nil {
			t.Errorf("%d: %v", i, err)
			break
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// Amid the statements of one Query the look at the catalog does not end their transaction.
func TestRefresh_AmidAQuery(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	_, err := c.Exec(context.Background(), "DELETE FROM plain WHERE id = 1; CREATE TABLE made (id int); DELETE FROM plain")
	if sqlstate(err) != "RB001" {
		t.Errorf("error %v, want RB001", err)
	}
	if n := countRows(t, e, "SELECT count(*) FROM plain"); n != 100 {
		t.Errorf("%d rows left, want 100", n)
	}
}

// Where any statement may delete, by an operator, those that evaluate nothing still go by
// themselves: some must be the first of their transaction.
func TestEverything_LeavesOutWhatEvaluatesNothing(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, "CREATE FUNCTION zap(x int, y int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN DELETE FROM plain WHERE id = x; RETURN true; END'; CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = zap)")
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		c := e.connect(mode)
		for _, sql := range []string{"BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "DELETE FROM plain WHERE id = 1", "ROLLBACK", "DISCARD ALL", "LISTEN news", "UNLISTEN *"} {
			mustExec(t, c, sql)
		}
		mustExec(t, c, "SELECT 2 === 2 /* "+mode.String()+" */")
	}
	if n := e.entries(journal.Filter{Outcome: journal.Committed}); len(n) != 1 || n[0].Rows != 1 {
		t.Errorf("%+v", n)
	}
}
