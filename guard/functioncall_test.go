package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

const callable = `
CREATE FUNCTION purge(n int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE c int; BEGIN DELETE FROM plain WHERE id <= n; GET DIAGNOSTICS c = ROW_COUNT; RETURN c; END $$;
CREATE FUNCTION purge_all(VARIADIC n text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM plain WHERE id = ANY (n::int[]); RETURN NULL; END $$;
CREATE FUNCTION purge_set() RETURNS SETOF int LANGUAGE sql AS 'DELETE FROM plain RETURNING id';`

// callOf is a FunctionCall with text arguments.
func (e *env) callOf(signature string, format uint16, args ...string) messages {
	m := &pgproto3.FunctionCall{Function: uint32(countRows(e.t, e, fmt.Sprintf("SELECT '%s'::regprocedure::oid::int8", signature))), ResultFormatCode: format}
	for _, a := range args {
		m.Arguments = append(m.Arguments, []byte(a))
	}
	return messages{m}
}

func TestFunctionCall_IsCountedAndAnsweredAsTheServerDoes(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Alert, 4), shop, callable)
	exchanges := []messages{
		q("BEGIN"), e.callOf("purge(int)", 0, "3"), e.callOf("purge(int)", 1, "7"), q("SELECT count(*) FROM plain"), e.callOf("purge_all(text[])", 0, "{8,9}"),
		e.callOf("purge_set()", 0), q("ROLLBACK"), e.callOf("purge(int)", 0, "none"), q("SELECT count(*) FROM plain"), e.callOf("purge(int)", 0),
	}
	want, got := talk(t, e.direct, exchanges, e.database), talk(t, e.url, exchanges, e.database)
	for i := range want {
		equal(t, fmt.Sprintf("answers to exchange %d", i), got[i], want[i])
	}
	talk(t, e.url, []messages{e.callOf("purge(int)", 0, "6")}, e.database)
	es := e.entries(journal.Filter{})
	if len(es) != 1 || es[0].Outcome != journal.Committed || es[0].Rows != 6 || es[0].Alert == "" {
		t.Errorf("entries %+v", es)
	}
}

func TestFunctionCall_IsBlocked(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 4), shop, callable)
	for _, block := range []bool{false, true} {
		exchanges, status := []messages{e.callOf("purge(int)", 0, "4"), e.callOf("purge(int)", 0, "9")}, "I"
		if block {
			exchanges, status = []messages{q("BEGIN"), e.callOf("purge(int)", 0, "9")}, "E"
		}
		answers := talk(t, e.url, exchanges, e.database)[1]
		if len(answers) != 2 || !strings.Contains(answers[0], `"RB001"`) || !strings.Contains(answers[1], `"TxStatus":"`+status+`"`) {
			t.Errorf("block %v: answers %q", block, answers)
		}
		if n := countRows(t, e, "SELECT count(*) FROM plain"); n != 96 {
			t.Errorf("block %v: %d rows left", block, n)
		}
	}
}

// A built-in that runs text.
func TestFunctionCall_RunsText(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 4), shop, callable)
	answers := talk(t, e.url, []messages{q("SELECT 1"), e.callOf("query_to_xml(text,bool,bool,text)", 0, "SELECT purge(9)", "t", "t", "")}, e.database)[1]
	if n := countRows(t, e, "SELECT count(*) FROM plain"); n != 100 || !strings.Contains(answers[0], `"RB001"`) {
		t.Errorf("%d rows left; answers %q", n, answers)
	}
}

// One that deletes nothing ends its own transaction, whatever was asked about it.
func TestFunctionCall_Harmless(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 4), shop, "CREATE TABLE scraps (n int); CREATE FUNCTION note(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO scraps VALUES (n) RETURNING n'")
	exchanges := []messages{e.callOf("note(int)", 0, "3"), q("ROLLBACK"), q("SELECT count(*) FROM scraps")}
	want := talk(t, e.direct, exchanges, e.database)
	mustExec(t, e.connect(pgx.QueryExecModeExec), "TRUNCATE scraps")
	got := talk(t, e.url, exchanges, e.database)
	for i := range want {
		equal(t, fmt.Sprintf("answers to exchange %d", i), got[i], want[i])
	}
}

// What comes of a call besides its result is behind that, as the server has it.
func TestFunctionCall_WhatTrailsIt(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Alert, 4), shop, `CREATE FUNCTION loud(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
		RAISE NOTICE 'hello'; PERFORM set_config('application_name', 'loud' || n, false), pg_notify('heard', 'it'); DELETE FROM plain WHERE id = n; RETURN n; END $$`)
	exchanges := []messages{
		q("LISTEN heard"), e.callOf("loud(int)", 0, "3"), q("BEGIN"), e.callOf("loud(int)", 1, "4"), e.callOf("loud(int)", 0, "none"), q("ROLLBACK"), q("SHOW application_name"),
		e.callOf("loud(int)", 0, "5"), cat(e.callOf("loud(int)", 0, "6"), e.callOf("loud(int)", 0, "7"), q("SELECT count(*) FROM plain")),
	}
	want := talk(t, e.direct, exchanges, e.database)
	mustExec(t, e.connect(pgx.QueryExecModeExec), "INSERT INTO plain SELECT i FROM generate_series(3, 7) i WHERE i NOT IN (SELECT id FROM plain)")
	got := talk(t, e.url, exchanges, e.database)
	for i := range want {
		equal(t, fmt.Sprintf("answers to exchange %d", i), got[i], want[i])
	}
}

func TestFunctionCall_LeavesTheUnnamedStatement(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Alert, 4), shop, callable)
	prepare, run := cat(parse("", "DELETE FROM plain WHERE id = -1"), syncMsg), cat(bind("", ""), execute("", 0), syncMsg)
	exchanges := []messages{prepare, e.callOf("purge(int)", 0, "none"), run, e.callOf("purge(int)", 0, "-3"), run,
		q("BEGIN"), cat(parse("", "SELECT 1"), bind("", ""), syncMsg), e.callOf("purge(int)", 0, "-4"), cat(execute("", 0), syncMsg), e.callOf("purge(int)", 0, "none"), q("ROLLBACK"), run}
	want, got := talk(t, e.direct, exchanges, e.database), talk(t, e.url, exchanges, e.database)
	for i := range want {
		equal(t, fmt.Sprintf("answers to exchange %d", i), got[i], want[i])
	}
}
