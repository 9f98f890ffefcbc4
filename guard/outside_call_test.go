package guard_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// What commits by itself may have removed rows before it fails, or before the server or
// the client goes: of that there is evidence, if without numbers.
func TestCommitsItself_EndsBadly(t *testing.T) {
	for name, end := range map[string]string{"fails": "PERFORM 1/0;", "server gone": "PERFORM pg_terminate_backend(pg_backend_pid());", "ends well": ""} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			for form, sql := range map[string]string{"procedure": "CALL big()", "block": "DO $$BEGIN DELETE FROM plain WHERE id <= 5; COMMIT; " + end + " END$$"} {
				t.Run(strings.Join([]string{name, form, mode.String()}, ", "), func(t *testing.T) {
					e := newEnv(t, policy.Uniform(policy.Alert, 3), shop, "CREATE PROCEDURE big() LANGUAGE plpgsql AS $$BEGIN DELETE FROM plain WHERE id <= 5; COMMIT; "+end+" END$$")
					c := e.connect(mode)
					_, err := c.Exec(context.Background(), sql)
					if (err == nil) != (end == "") {
						t.Fatal(err)
					}
					_ = c.Close(context.Background())
					for deadline := time.Now().Add(pollTime); len(e.entries(journal.Filter{Outcome: journal.InDoubt})) > 0; { // until its session has ended
						if time.Now().After(deadline) {
							t.Fatal("it stays in doubt")
						}
					}
					if n := countRows(t, e, "SELECT count(*) FROM plain"); n != 95 {
						t.Fatalf("%d rows left", n)
					}
					es := e.entries(journal.Filter{}) // newest first
					first := es[len(es)-1]
					if !strings.Contains(first.Alert, "nobody could count") || first.Statements[0].SQL != sql {
						t.Errorf("%+v", first)
					}
					switch {
					case end == "" && (len(es) != 2 || first.Outcome != journal.RolledBack || es[0].Outcome != journal.Committed || es[0].Rows != 5):
						t.Errorf("%+v", es)
					case end != "" && (len(es) != 1 || first.Outcome != journal.Committed):
						t.Errorf("%+v", es)
					}
				})
			}
		}
	}
}

// While the catalog has changed, and cannot be looked at, it may commit as ever. What it
// removes then has evidence, made before it runs.
func TestCommitsItself_WhileTheCatalogIsNotKnown(t *testing.T) {
	const body = "BEGIN INSERT INTO log VALUES (1); COMMIT; PERFORM f(); COMMIT; END"
	for form, sql := range map[string]string{"procedure": "CALL p()", "block": "DO $$" + body + "$$"} {
		for mode, m := range modes {
			for change, left := range map[string]int{"CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'": 20, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN purge(); END'": 0} {
				t.Run(fmt.Sprintf("%s, %s, %d left", form, mode, left), func(t *testing.T) {
					e := newEnv(t, policy.Uniform(policy.Block, 10), purges, "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$"+body+"$$")
					c, maker := e.connect(m), e.connect(pgx.QueryExecModeSimpleProtocol)
					mustExec(t, c, "SELECT 1")
					mustExec(t, maker, change)
					_, lock := e.blockReading("pg_catalog.pg_trigger")
					if _, err := c.Exec(context.Background(), sql); (err == nil) != (left > 0) || err != nil && sqlstate(err) != "RB001" {
						t.Error(err)
					}
					mustExec(t, lock, "ROLLBACK")
					if got := []int{countRows(t, e, "SELECT count(*) FROM log"), len(e.victims())}; got[0] != 1 || got[1] != left {
						t.Errorf("%d rows of log, %d victims", got[0], got[1])
					}
					if n := len(e.entries(journal.Filter{Outcome: journal.Committed})); (n == 0) != (left > 0) {
						t.Errorf("%d entries of what was committed", n)
					}
					if n := len(e.entries(journal.Filter{Outcome: journal.InDoubt})); n != 0 {
						t.Errorf("%d entries in doubt", n)
					}
				})
			}
		}
	}
}

// One that was bound before what it calls deletes, and runs by the catalog as it is then.
func TestCommitsItself_BoundBefore(t *testing.T) {
	for _, looked := range []bool{true, false} {
		for _, described := range []messages{nil, {&pgproto3.Describe{ObjectType: 'P'}}} {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN PERFORM f(); COMMIT; END'")
			r, maker := dialRaw(t, e.url), e.connect(pgx.QueryExecModeSimpleProtocol)
			r.say(q("SELECT 1"))
			for _, m := range cat(parse("", "CALL p()"), bind("", ""), flush) {
				r.Send(m)
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if m, err := r.Receive(); err != nil {
					t.Fatal(m, err)
				}
			}
			mustExec(t, maker, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN purge(); END'")
			if looked {
				mustExec(t, maker, "SELECT 1")
			}
			got := r.say(described, execute("", 0), syncMsg)
			if left := len(e.victims()); left != 20 || !strings.Contains(got, `"RB001"`) {
				t.Errorf("looked at %v: %d rows are left of 20: %s", looked, left, got)
			}
		}
	}
}

// Where a trigger that may delete can wait for a COMMIT it is not asked for before what runs
// first in its transaction: that could not commit any more, since PostgreSQL 18.
func TestCommitsItself_WhereTriggersMayWait(t *testing.T) {
	p := policy.Uniform(policy.Block, 1000)
	p.Default.Uncountable = policy.Allow
	e := newEnv(t, p, shop, wireExtra, `CREATE TABLE waits (id int);
		CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders WHERE id = NEW.id; RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER late AFTER INSERT ON waits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()`)
	const do = "DO $$ BEGIN DELETE FROM plain WHERE id = 15; INSERT INTO waits VALUES (1); COMMIT; DELETE FROM plain WHERE id = 16; END $$"
	left := q("SELECT (SELECT count(*) FROM plain), (SELECT count(*) FROM orders)")
	e.compare(t, []messages{cat(pbe(do), syncMsg), left, q(do), left, cat(pbe("DELETE FROM plain WHERE id = 1"), syncMsg), cat(parse("s", do), bind("p", "s"), execute("p", 0), syncMsg),
		cat(pbe("INSERT INTO waits VALUES (2)"), pbe(do), syncMsg), left, cat(pbe(do), pbe("INSERT INTO waits VALUES (3)"), pbe(do), syncMsg), left})
	c := e.connect(modes["unnamed"])
	mustExec(t, c, do)
	var rows int64
	for _, x := range e.entries(journal.Filter{Database: e.database, Outcome: journal.Committed}) {
		rows += x.Rows
	}
	if want := int64(2 + 1 + 2 + 2); rows != want { // of plain, and an order with its payments and refunds
		t.Errorf("%d rows are on record, want %d", rows, want)
	}
}
