package guard_test

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// A procedure or a DO block may commit what came before it in its Query or pipeline.
// Where it does not, that is one transaction still.
func TestVouch_WhatDoesNotCommit(t *testing.T) {
	const noop = "CREATE PROCEDURE noop() LANGUAGE plpgsql AS $$BEGIN NULL; END$$;"
	const deferred = "CREATE CONSTRAINT TRIGGER tr AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION purge_trigger();"
	five := pbe("DELETE FROM victim WHERE id IN (SELECT id FROM victim LIMIT 5)")
	call := pbe("CALL noop()")
	for name, x := range map[string]struct {
		setup string
		run   []messages
	}{
		"a pipeline":                {noop, []messages{cat(five, call, five, call, five, call, five, syncMsg)}},
		"a Query":                   {noop, []messages{q("DELETE FROM victim WHERE id <= 5; CALL noop(); DELETE FROM victim WHERE id <= 10; CALL noop(); DELETE FROM victim")}},
		"a block, a Query":          {"", []messages{q("DELETE FROM victim WHERE id <= 10; DO $$BEGIN IF false THEN COMMIT; END IF; END$$; DELETE FROM victim")}},
		"a block, a pipeline":       {"", []messages{cat(five, five, pbe("DO $$BEGIN /* commit */ END$$"), five, syncMsg)}},
		"by a function":             {noop, []messages{q("DELETE FROM victim WHERE id <= 10; CALL noop(); SELECT purge()")}},
		"a transaction block after": {noop, []messages{cat(five, five, call, pbe("BEGIN"), five, pbe("COMMIT"), syncMsg)}},
		"a cursor": {noop, []messages{cat(parse("c", "CALL noop()"), parse("f", "FETCH ALL FROM p"), parse("d", "DELETE FROM victim RETURNING id"),
			bindTo("p", "d"), bindTo("", "c"), execute("", 0), bindTo("", "f"), execute("", 0), syncMsg)}},
		"a deferred trigger, a Query":      {noop + deferred, []messages{q("INSERT INTO log VALUES (1); CALL noop()")}},
		"a deferred trigger, a pipeline":   {noop + deferred, []messages{cat(pbe("INSERT INTO log VALUES (1)"), call, syncMsg)}},
		"a deferred trigger, which fires":  {deferred + "CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$;", []messages{cat(pbe("INSERT INTO log VALUES (1)"), pbe("CALL commits()"), syncMsg)}},
		"a deferred trigger, from a block": {deferred, []messages{cat(pbe("INSERT INTO log VALUES (1)"), pbe("DO $$BEGIN COMMIT; END$$"), syncMsg)}},
		"a cursor, in what commits": {"CREATE PROCEDURE fetches() LANGUAGE plpgsql AS $$DECLARE c refcursor := 'p'; BEGIN MOVE FORWARD ALL FROM c; COMMIT; END$$",
			[]messages{cat(parse("d", "DELETE FROM victim"), bindTo("p", "d"), pbe("CALL fetches()"), syncMsg)}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, x.setup)
			answers := strings.Join(talkAll(t, e.url, x.run), "\n")
			if left := len(e.victims()); left != 20 || !strings.Contains(answers, `"RB001"`) {
				t.Errorf("%d rows are left of 20: %s", left, answers)
			}
			e.settle()
			for _, x := range e.entries(journal.Filter{}) {
				if x.Outcome != journal.Blocked && x.Outcome != journal.RolledBack {
					t.Errorf("an entry says %s, %d rows", x.Outcome, x.Rows)
				}
			}
		})
	}
}

// Each transaction has limits of its own, where one has ended.
func TestVouch_WhatCommits(t *testing.T) {
	pgtest.Before(t, 18, "nothing commits behind another statement")
	const commits = "CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$; CREATE PROCEDURE noop() LANGUAGE plpgsql AS $$BEGIN NULL; END$$;"
	for call, want := range map[string]int{"CALL commits()": 4, "DO $$BEGIN COMMIT; END$$": 4, "CALL noop()": 14} {
		e := newEnv(t, policy.Uniform(policy.Alert, 10), purges, commits)
		talkAll(t, e.url, []messages{cat(pbe("DELETE FROM victim WHERE id <= 8"), pbe(call), pbe("DELETE FROM victim WHERE id <= 16"), syncMsg)})
		e.settle()
		var alerts int
		var rows, keys int64
		for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
			if rows += x.Rows; x.Alert != "" {
				alerts++
			}
			for _, tb := range x.Tables {
				if tb.KeysCaptured {
					keys += tb.Rows
				}
			}
		}
		if wantAlerts := map[bool]int{true: 1}[want == 14]; rows != 16 || keys != 16 || alerts != wantAlerts || len(e.victims()) != 4 {
			t.Errorf("%s: %d rows, %d keys, %d alerts, %d rows are left of 20", call, rows, keys, alerts, len(e.victims()))
		}
	}
}
