package guard_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

const (
	calm  = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'"
	fatal = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$"
)

// What one session makes is known to it, and to the others once it has committed, whoever
// looks at the catalog meanwhile. 20 rows would go, over a limit of 10, by the last
// statement but COMMIT.
func TestAnnounce(t *testing.T) {
	const trigger = "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()"
	const mine, others = false, true
	type step struct {
		other bool
		m     messages
	}
	for name, run := range map[string][]step{
		"its own, in a block":           {{mine, q("BEGIN")}, {mine, q(fatal)}, {others, q("SELECT 1")}, {mine, q("SELECT f()")}, {mine, q("COMMIT")}},
		"its own, prepared":             {{mine, q("BEGIN")}, {mine, q(fatal)}, {others, q("SELECT 1")}, {mine, cat(parse("s", "SELECT f()"), bindTo("", "s"), execute("", 0), syncMsg)}, {mine, q("COMMIT")}},
		"its own trigger":               {{mine, q("BEGIN")}, {mine, q(trigger)}, {others, q("SELECT 1")}, {mine, q("SELECT 1")}, {mine, q("INSERT INTO log VALUES (1)")}, {mine, q("COMMIT")}},
		"another's, once committed":     {{others, q("BEGIN")}, {others, q(fatal)}, {mine, q("SELECT 1")}, {others, q("COMMIT")}, {mine, q("SELECT f()")}},
		"another's, extended":           {{others, cat(pbe("BEGIN"), syncMsg)}, {others, cat(pbe(fatal), syncMsg)}, {mine, q("SELECT 1")}, {others, cat(pbe("COMMIT"), syncMsg)}, {mine, q("SELECT f()")}},
		"another's, in one Query":       {{others, q("SELECT 1; " + fatal + "; SELECT 2")}, {mine, q("SELECT f()")}},
		"by a function":                 {{others, q("SELECT rename_log()")}, {mine, q("INSERT INTO renamed VALUES (1)")}},
		"opened before":                 {{mine, q("BEGIN")}, {mine, q("DECLARE c CURSOR FOR SELECT f()")}, {others, q(fatal)}, {others, q("SELECT 1")}, {mine, q("FETCH c")}, {mine, q("COMMIT")}},
		"opened before, WITH HOLD":      {{mine, q("BEGIN")}, {mine, q("DECLARE c CURSOR WITH HOLD FOR SELECT f()")}, {others, q(fatal)}, {others, q("SELECT 1")}, {mine, q("COMMIT")}},
		"deferred before":               {{mine, q("BEGIN")}, {mine, q("INSERT INTO later VALUES (1)")}, {others, q("CREATE OR REPLACE FUNCTION later_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN NEW; END$$")}, {others, q("SELECT 1")}, {mine, q("COMMIT")}},
		"in an old snapshot":            {{mine, q("BEGIN ISOLATION LEVEL REPEATABLE READ")}, {mine, q("SELECT 1")}, {others, q(fatal)}, {mine, q("SELECT f()")}, {mine, q("COMMIT")}},
		"one looks in an old snapshot":  {{others, q("BEGIN ISOLATION LEVEL REPEATABLE READ")}, {others, q("SELECT 1")}, {mine, q(fatal)}, {others, q("SELECT 2")}, {mine, q("SELECT 1; SELECT f()")}},
		"an event trigger, not first":   {{mine, q("SELECT 1; GRANT SELECT ON events TO pg_monitor")}},
		"a name that is lower in ASCII": {{mine, q(`SELECT "İptal"()`)}},
	} {
		t.Run(name, func(t *testing.T) {
			setup := `CREATE TABLE events (id int); CREATE TABLE later (id int);
				CREATE FUNCTION rename_log() RETURNS int LANGUAGE plpgsql AS $$BEGIN ALTER TABLE tied RENAME TO renamed; RETURN 1; END$$;
				CREATE TABLE tied (id int); CREATE TRIGGER tr AFTER INSERT ON tied FOR EACH ROW EXECUTE FUNCTION purge_trigger();
				CREATE FUNCTION "İptal"() RETURNS int LANGUAGE sql AS 'SELECT purge()';
				CREATE FUNCTION later_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
				CREATE CONSTRAINT TRIGGER tr AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION later_trigger();`
			if name == "an event trigger, not first" {
				setup += "CREATE EVENT TRIGGER announced ON ddl_command_end EXECUTE FUNCTION purge_event()"
			}
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, calm, setup)
			a, b := dialRaw(t, e.url), dialRaw(t, e.url)
			for _, s := range append([]step{{mine, q("SELECT 1")}, {others, q("SELECT 1")}}, run...) {
				c, n := a, 0
				if s.other {
					c = b
				}
				for _, m := range s.m {
					switch m.(type) {
					case *pgproto3.Query, *pgproto3.Sync:
						n++
					}
					c.Send(m)
				}
				c.answers(n)
			}
			if left := len(e.victims()); left != 20 {
				t.Errorf("%d rows are left of 20, and %d entries", left, len(e.entries(journal.Filter{})))
			}
		})
	}
}

// A session that uses what it, or another one, has just made need not wait for its turn to
// look at the catalog, and is not judged by what that was before.
func TestAnnounce_WhileOthersLook(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges, "DO $$BEGIN FOR i IN 1..200 LOOP EXECUTE format('CREATE TABLE zz%s (id int PRIMARY KEY, a text)', i); END LOOP; END$$")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		c := e.connect(pgx.QueryExecModeSimpleProtocol)
		wg.Go(func() {
			for !stop.Load() {
				_, _ = c.Exec(context.Background(), "SELECT 1")
			}
		})
	}
	maker, user := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol)
	for i := range 20 {
		mustExec(t, maker, fmt.Sprintf("CREATE FUNCTION g%d() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$", i))
		for name, c := range map[string]*pgx.Conn{"itself": maker, "another": user} {
			if _, err := c.Exec(context.Background(), fmt.Sprintf("SELECT g%d()", i)); sqlstate(err) != "RB001" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	if left := len(e.victims()); left != 20 {
		t.Errorf("%d rows are left of 20", left)
	}
}

// Somebody has locked what a look at the catalog needs, and the catalog has changed: others
// do not wait for the lock. All that they run is counted, and keys are recorded.
func TestAnnounce_NobodyWaitsForALook(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges, "CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain SELECT generate_series(1, 100)")
	ctx := context.Background()
	maker := e.connect(pgx.QueryExecModeSimpleProtocol)
	others := make([]*pgx.Conn, 4)
	for i := range others {
		others[i] = e.connect(pgx.QueryExecModeSimpleProtocol)
		mustExec(t, others[i], "DELETE FROM plain WHERE id < 0")
	}
	mustExec(t, others[3], "BEGIN ISOLATION LEVEL REPEATABLE READ")
	mustExec(t, others[3], "SELECT 1")
	mustExec(t, maker, "CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$")
	_, lock := e.blockReading("pg_catalog.pg_trigger")
	var wg sync.WaitGroup
	for i, c := range others {
		wg.Go(func() {
			for range 2 {
				if _, err := c.Exec(ctx, "SELECT 1"); err != nil {
					t.Error(err)
				}
			}
			if i == 0 {
				return // what stands outside of a transaction block stays there
			}
			if _, err := c.Exec(ctx, fmt.Sprintf("DELETE FROM plain WHERE id = %d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustExec(t, others[0], "VACUUM plain")
	for i, c := range others {
		if i == 3 {
			mustExec(t, c, "DECLARE c CURSOR FOR SELECT 1")
			mustExec(t, c, "COMMIT")
		}
		if _, err := c.Exec(ctx, "SELECT g()"); sqlstate(err) != "RB001" {
			t.Errorf("session %d: %v", i, err)
		}
	}
	if err := lock.Close(ctx); err != nil { // only now
		t.Fatal(err)
	}
	es := e.entries(journal.Filter{Outcome: journal.Committed})
	for _, x := range es {
		if x.Rows != 1 || !x.Tables[0].KeysCaptured {
			t.Errorf("%+v", x.Tables)
		}
	}
	if len(es) != 3 || len(e.victims()) != 20 {
		t.Errorf("%d entries, want 3; %d rows are left of 20", len(es), len(e.victims()))
	}
}

// What was parsed while the catalog could not be looked at is judged by what that is when
// it is bound: a DELETE is recorded with its keys, what deletes over the limit is refused.
func TestAnnounce_ParsedBeforeALook(t *testing.T) {
	for sql, want := range map[string]string{"DELETE FROM plain WHERE id = 5": "DELETE 1", "SELECT g()": `"RB001"`, "SELECT count(*) FROM plain": "SELECT 1",
		"CREATE OR REPLACE FUNCTION h() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM plain; RETURN 1; END$$": "CREATE FUNCTION"} {
		t.Run(sql, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, "CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain SELECT generate_series(1, 100)")
			maker, r := e.connect(pgx.QueryExecModeSimpleProtocol), dialRaw(t, e.url)
			r.say(q("DELETE FROM plain WHERE id < 0"))
			mustExec(t, maker, "CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$")
			_, lock := e.blockReading("pg_catalog.pg_trigger")
			for _, m := range cat(parse("", sql), messages{&pgproto3.Flush{}}) {
				r.Send(m)
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			if m, err := r.Receive(); err != nil {
				t.Fatal(m, err)
			}
			mustExec(t, lock, "ROLLBACK")
			e.clock.advance(time.Minute) // nobody has to wait any more
			if got := r.say(bind("", ""), execute("", 0), syncMsg); !strings.Contains(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
			if got := r.say(q("SELECT h()")); !strings.Contains(got, `"RB001"`) && !strings.Contains(got, `"42883"`) { // there is none
				t.Errorf("h() deletes unjudged: %s", got)
			}
			for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
				if x.Rows != 1 || !x.Tables[0].KeysCaptured {
					t.Errorf("%+v", x.Tables)
				}
			}
		})
	}
}
