package guard_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// What a transaction has changed of the catalog is no longer so when it is rolled back.
const (
	purging   = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM victim; RETURN 1; END'"
	harmless  = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'"
	triggered = "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()"
	disabled  = "ALTER TABLE log DISABLE TRIGGER tr"
	logged1   = "INSERT INTO log VALUES (1)"
	// replaceable is harmless until it is replaced.
	replaceable = "CREATE FUNCTION trf() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$"
	replaced    = "CREATE OR REPLACE FUNCTION trf() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN NEW; END$$"
)

func bindRun(s string) messages { return cat(bindTo("", s), execute("", 0)) }

func TestUnjudged_RolledBackCatalog(t *testing.T) {
	for name, x := range map[string]struct {
		setup string
		run   []messages
	}{
		"prepared before": {purging, []messages{cat(parse("s", "SELECT f()"), syncMsg), q("BEGIN"), q(harmless), cat(bindRun("s"), syncMsg), q("ROLLBACK"), cat(bindRun("s"), syncMsg)}},
		"prepared in it":  {purging, []messages{q("BEGIN"), q(harmless), cat(parse("s", "SELECT f()"), bindRun("s"), syncMsg), q("ROLLBACK"), cat(bindRun("s"), syncMsg)}},
		"a pipeline":      {purging, []messages{cat(pbe("BEGIN"), pbe(harmless), parse("s", "SELECT f()"), bindRun("s"), pbe("ROLLBACK"), bindRun("s"), syncMsg)}},
		"to a savepoint, a pipeline": {purging, []messages{cat(pbe("BEGIN"), pbe("SAVEPOINT a"), pbe(harmless), parse("s", "SELECT f()"), bindRun("s"), pbe("ROLLBACK TO a"), bindRun("s"),
			pbe("COMMIT"), syncMsg)}},
		"to a savepoint": {triggered, []messages{cat(parse("s", logged1), syncMsg), q("BEGIN"), q("SAVEPOINT a"), q("DROP TRIGGER tr ON log"), cat(bindRun("s"), syncMsg), q("ROLLBACK TO a"), cat(bindRun("s"), syncMsg)}},
		"a trigger":      {triggered, []messages{cat(parse("s", logged1), syncMsg), q("BEGIN"), q(disabled), cat(bindRun("s"), syncMsg), q("ROLLBACK"), cat(bindRun("s"), syncMsg)}},
		"after an error": {triggered, []messages{cat(parse("s", logged1), syncMsg), q("BEGIN"), q(disabled), cat(bindRun("s"), syncMsg), q("SELECT 1/0"), q("ROLLBACK"), cat(bindRun("s"), syncMsg)}},
		"by COMMIT, after an error": {triggered, []messages{cat(parse("s", logged1), parse("c", "COMMIT"), syncMsg), q("BEGIN"), q(disabled), cat(bindRun("s"), syncMsg), q("SELECT 1/0"),
			cat(bindRun("c"), syncMsg), cat(bindRun("s"), syncMsg)}},
		"without a block": {triggered, []messages{cat(parse("s", logged1), parse("x", "SELECT 1/v FROM (VALUES (0)) x (v)"), syncMsg), cat(pbe(disabled), bindRun("s"), bindRun("x"), syncMsg),
			cat(bindRun("s"), syncMsg)}},
		"by a procedure": {triggered + "; CREATE PROCEDURE back() LANGUAGE plpgsql AS 'BEGIN ROLLBACK; END'",
			[]messages{cat(parse("s", logged1), parse("c", "CALL back()"), syncMsg), cat(pbe(disabled), bindRun("s"), bindRun("c"), bindRun("s"), syncMsg)}},
		"a temporary view": {"", []messages{q("CREATE TEMP VIEW tv AS SELECT purge() AS x"), q("BEGIN"), q("CREATE OR REPLACE TEMP VIEW tv AS SELECT 1 AS x"), q("SELECT x FROM tv"), q("ROLLBACK"), q("SELECT x FROM tv")}},
		"a temporary view dropped": {"", []messages{q("CREATE TEMP VIEW tv AS SELECT purge() AS x"), q("BEGIN"), q("DROP VIEW tv"), q("CREATE TEMP VIEW tw AS SELECT 1"), q("SELECT 1"), q("ROLLBACK"),
			q("SELECT x FROM tv")}},
		"a temporary table's trigger": {"", []messages{q("CREATE TEMP TABLE tt (v int)"), q("CREATE TRIGGER tr AFTER INSERT ON tt FOR EACH ROW EXECUTE FUNCTION purge_trigger()"), q("BEGIN"), q("SAVEPOINT a"),
			q("ALTER TABLE tt DISABLE TRIGGER tr"), q("INSERT INTO tt VALUES (1)"), q("ROLLBACK TO a"), q("INSERT INTO tt VALUES (1)")}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "by a procedure" {
				pgtest.Before(t, 18, "it may not end a transaction behind another statement")
			}
			refusedInSteps(t, x.setup, x.run)
		})
	}
}

// What is deferred to the end of a transaction runs by what the catalog is then.
func TestUnjudged_DeferredAndReplaced(t *testing.T) {
	for name, run := range map[string][]messages{
		"a pipeline":         {cat(pbe(logged1), pbe(replaced), syncMsg)},
		"one Query":          {q(logged1 + "; " + replaced)},
		"a prepared COMMIT":  {cat(parse("c", "COMMIT"), syncMsg), q("BEGIN"), q(logged1), q(replaced), cat(bindRun("c"), syncMsg)},
		"one bound before":   {q("BEGIN"), cat(parse("c", "COMMIT"), bindTo("p", "c"), pbe(logged1), pbe(replaced), execute("p", 0), syncMsg)},
		"with a DELETE":      {cat(pbe("DELETE FROM victim WHERE id = 1"), pbe(logged1), pbe(replaced), syncMsg)},
		"a pipeline's Query": {cat(pbe(logged1), pbe(replaced), q("SELECT 1"))},
		"by a block":         {q("DO $x$BEGIN INSERT INTO log VALUES (1); CREATE OR REPLACE FUNCTION trf() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN NEW; END$$; END$x$")},
	} {
		t.Run(name, func(t *testing.T) {
			refusedInSteps(t, replaceable+"; CREATE CONSTRAINT TRIGGER dt AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trf()", run)
		})
	}
}

// Another session's change is seen in a transaction that has changed the catalog itself,
// and after it.
func TestUnjudged_ChangedByAnotherMeanwhile(t *testing.T) {
	for name, x := range map[string]struct{ before, after []messages }{
		"in the block":                {[]messages{q("BEGIN"), q("CREATE TABLE made (id int)"), cat(bindRun("s"), syncMsg)}, []messages{cat(bindRun("s"), syncMsg), q("COMMIT")}},
		"after it":                    {[]messages{q("BEGIN"), q("CREATE TABLE made (id int)"), cat(bindRun("s"), syncMsg), q("COMMIT")}, []messages{cat(bindRun("s"), syncMsg)}},
		"after a pipeline":            {[]messages{cat(pbe("CREATE TABLE made (id int)"), bindRun("s"), syncMsg)}, []messages{cat(bindRun("s"), syncMsg)}},
		"in an old snapshot":          {[]messages{q("BEGIN ISOLATION LEVEL REPEATABLE READ"), q("SELECT 1"), q("CREATE TABLE made (id int)"), q("SELECT 1")}, []messages{q(logged1), q("COMMIT")}},
		"in an old snapshot, bound":   {[]messages{q("BEGIN ISOLATION LEVEL REPEATABLE READ"), q("CREATE TABLE made (id int)"), cat(bindRun("s"), syncMsg)}, []messages{cat(bindRun("s"), syncMsg), q("COMMIT")}},
		"in an old snapshot, before":  {[]messages{q("BEGIN ISOLATION LEVEL REPEATABLE READ"), q("SELECT 1")}, []messages{q("CREATE TABLE made (id int)"), q(logged1), q("COMMIT")}},
		"… and of a temporary object": {[]messages{q("BEGIN ISOLATION LEVEL REPEATABLE READ"), q("SELECT 1")}, []messages{q("CREATE TEMP TABLE made (id int)"), q(logged1), q("COMMIT")}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, replaceable, "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION trf()")
			other := e.connect(pgx.QueryExecModeSimpleProtocol)
			r := dialRaw(t, e.url)
			for _, m := range append([]messages{q("SELECT 1"), cat(parse("s", logged1), syncMsg)}, x.before...) {
				r.say(m)
			}
			mustExec(t, other, replaced)
			mustExec(t, other, "SELECT 1") // now the catalog has been read again
			var answers string
			for _, m := range x.after {
				answers += r.say(m)
			}
			if left := len(e.victims()); left != 20 || !strings.Contains(answers, `"RB001"`) {
				t.Errorf("%d rows are left of 20, and %d entries: %s", left, len(e.entries(journal.Filter{})), answers)
			}
		})
	}
}

// … and behind the end of one in which the catalog could not be looked at, in the same Query.
func TestUnjudged_BehindAnEnd(t *testing.T) {
	for name, block := range map[string][]string{
		"a failed block":  {"BEGIN", "SELECT 1/0", "ROLLBACK; " + logged1},
		"an old snapshot": {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SELECT 1 FROM log", "COMMIT; " + logged1},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, replaceable, "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION trf()")
			c, other := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol)
			mustExec(t, c, logged1)
			var err error
			for i, sql := range block {
				if i == len(block)-1 {
					mustExec(t, other, replaced)
				}
				_, err = c.PgConn().Exec(t.Context(), sql).ReadAll()
			}
			if left := len(e.victims()); left != 20 || sqlstate(err) != "RB001" {
				t.Errorf("%d rows are left of 20: %v", left, err)
			}
		})
	}
}

// … and while a Query of several statements runs, by the later ones.
func TestUnjudged_ReplacedAmidAQuery(t *testing.T) {
	for _, first := range []string{"BEGIN", "CREATE TABLE made (id int)", "SET search_path = public"} {
		t.Run(first, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, replaceable, "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION trf()")
			c, other, holder := e.connect(pgx.QueryExecModeSimpleProtocol), e.connect(pgx.QueryExecModeSimpleProtocol), connect(t, e.direct, pgx.QueryExecModeSimpleProtocol)
			mustExec(t, c, logged1)
			mustExec(t, holder, "SELECT pg_advisory_lock(1)")
			ran := make(chan error, 1)
			go func() {
				_, err := c.PgConn().Exec(context.Background(), first+"; SELECT pg_advisory_xact_lock(1); "+logged1+"; COMMIT").ReadAll()
				ran <- err
			}()
			e.until("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
			mustExec(t, other, replaced)
			mustExec(t, holder, "SELECT pg_advisory_unlock(1)")
			if err := <-ran; len(e.victims()) != 20 || sqlstate(err) != "RB001" {
				t.Errorf("%d rows are left of 20: %v", len(e.victims()), err)
			}
		})
	}
}

// A statement that was to be one which needs no look at the catalog, and is another.
func TestUnjudged_NotWhatItWasParsedAs(t *testing.T) {
	for name, run := range map[string][]messages{
		"the name is taken":  {cat(parse("s", logged1), syncMsg), cat(parse("s", "SHOW work_mem"), syncMsg)},
		"discarded":          {cat(parse("", logged1), syncMsg), cat(parse("x", "SELECT nope"), parse("", "SHOW work_mem"), syncMsg)},
		"discarded, a name":  {cat(parse("s", logged1), syncMsg), cat(parse("x", "SELECT nope"), closed('S', "s"), parse("s", "SHOW work_mem"), syncMsg)},
		"parsed anew":        {cat(parse("s", "SHOW work_mem"), syncMsg), cat(closed('S', "s"), parse("s", logged1), syncMsg)},
		"prepared anew":      {cat(parse("s", "SHOW work_mem"), syncMsg), q("DEALLOCATE s"), q("PREPARE s AS " + logged1)},
		"prepared, and used": {cat(parse("s", "SHOW work_mem"), syncMsg), q("DEALLOCATE s"), q("PREPARE s AS " + logged1), cat(bindRun("s"), syncMsg)},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
			r := dialRaw(t, e.url)
			for _, m := range append([]messages{q("SELECT 1")}, run...) {
				r.say(m)
			}
			mustExec(t, e.connect(pgx.QueryExecModeSimpleProtocol), triggered)
			s := "s"
			if name == "discarded" {
				s = ""
			}
			answers := r.say(bindRun(s), syncMsg)
			if left := len(e.victims()); left != 20 || !strings.Contains(answers, `"RB001"`) {
				t.Errorf("%d rows are left of 20: %s", left, answers)
			}
		})
	}
}
