package guard_test

import "github.com/jackc/pgx/v5/pgproto3"

func copyData(lines string) messages {
	return messages{&pgproto3.CopyData{Data: []byte(lines)}, &pgproto3.CopyDone{}}
}

func parse(name, sql string) messages { return messages{&pgproto3.Parse{Name: name, Query: sql}} }

func bind(portal, statement string) messages {
	return messages{&pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}}
}

func execute(portal string, rows uint32) messages {
	return messages{&pgproto3.Execute{Portal: portal, MaxRows: rows}}
}

// wireRoutes need messages of their own.
var wireRoutes = []route{
	{name: "pipeline", raw: []messages{cat(pbe("DELETE FROM plain WHERE id = $1", "1"), pbe("DELETE FROM plain WHERE id = $1", "2"), pbe("SELECT 1"), pbe("DELETE FROM orders WHERE id = $1", "1"), syncMsg)}, keys: true},
	{name: "pipeline with an error", raw: []messages{cat(pbe("DELETE FROM plain WHERE id = 1"), pbe("SELECT 1/0"), pbe("DELETE FROM plain WHERE id = 2"), syncMsg, pbe("SELECT 3"), syncMsg)}, peak: 1},
	{name: "COMMIT in a pipeline", raw: []messages{cat(pbe("BEGIN"), pbe("DELETE FROM plain WHERE id <= 2"), pbe("DELETE FROM plain WHERE id <= 4"), pbe("COMMIT"), pbe("SELECT 1"), syncMsg)}, keys: true, status: "E"},
	{name: "portals interleaved", raw: []messages{cat(parse("a", "DELETE FROM plain WHERE id <= 2 RETURNING id"), parse("b", "SELECT purge(4)"), bind("pa", "a"), bind("pb", "b"), execute("pb", 0), execute("pa", 1), syncMsg)}},
	{name: "portal in portions", raw: []messages{q("BEGIN"), cat(parse("", "SELECT purge(id) FROM other ORDER BY id LIMIT 4"), bind("p", ""), execute("p", 2), syncMsg), cat(execute("p", 0), syncMsg), q("COMMIT")}},
	{name: "evaluated at Bind", raw: []messages{q("CREATE FUNCTION im(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN purge(n); END'"), cat(parse("", "SELECT im(4)"), bind("", ""), syncMsg)}},
	{name: "prepared by text, bound by protocol", raw: []messages{q("PREPARE x AS DELETE FROM plain WHERE id <= 4"), cat(bind("", "x"), execute("", 0), syncMsg)}},
	{name: "prepared in a DO, bound by protocol", raw: []messages{q("DO $$ BEGIN EXECUTE 'PREPARE x AS DELETE FROM plain WHERE id <= 4'; END $$"), cat(bind("", "x"), execute("", 0), syncMsg)}},
	{name: "prepared by protocol, executed by text", raw: []messages{cat(parse("x", "DELETE FROM plain WHERE id <= 4"), syncMsg), q("EXECUTE x")}},
	{name: "prepared before its function deletes", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		raw: []messages{cat(parse("x", "SELECT f()"), syncMsg), q("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT purge(4)'"), cat(bind("", "x"), execute("", 0), syncMsg)}},
	{name: "unnamed, prepared before its function deletes", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		raw: []messages{cat(parse("", "SELECT f()"), parse("y", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT purge(4)'"), bind("", "y"), execute("", 0), syncMsg, bind("", ""), execute("", 0), syncMsg)}},
	{name: "prepared while a Bind is held", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		raw: []messages{cat(parse("d", "DELETE FROM plain WHERE id = -1"), bind("p", "d"), parse("s", "SELECT f()"), execute("p", 0), syncMsg),
			q("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT purge(5)'"), cat(bound("s"), syncMsg)}},
	{name: "portals bound before any is executed", raw: []messages{cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("a", "d", "1"), bindTo("b", "d", "2"), bindTo("c", "d", "3"), describe('P', "c"), execute("a", 0), execute("b", 0), execute("c", 0), syncMsg)}, keys: true},
	{name: "portals over the same rows", raw: []messages{cat(parse("d", "DELETE FROM plain WHERE id <= $1 RETURNING id"), bindTo("a", "d", "3"), bindTo("b", "d", "5"), execute("a", 1), execute("b", 0), execute("a", 0), syncMsg)}, keys: true},
	{name: "FETCH from a portal", raw: []messages{q("BEGIN"), cat(parse("", "SELECT purge(4)"), bind("p", ""), syncMsg), q("FETCH ALL FROM p"), q("COMMIT")}, over: "refused"},
	{name: "cursor", raw: []messages{q("BEGIN"), q("DECLARE c CURSOR FOR SELECT purge(4)"), q("FETCH ALL FROM c"), q("COMMIT")}, over: "a cursor over a function that deletes is refused"},
	{name: "cursor by MOVE", raw: []messages{q("BEGIN"), q("DECLARE c CURSOR FOR SELECT purge(id) FROM other ORDER BY id LIMIT 4"), q("MOVE 2 FROM c"), cat(pbe("FETCH 9 FROM c"), syncMsg), q("COMMIT")}, over: "a cursor over a function that deletes is refused"},
	{name: "cursor WITH HOLD", unseen: "what COMMIT itself deletes", raw: []messages{q("BEGIN"), q("DECLARE c CURSOR WITH HOLD FOR SELECT purge(4)"), q("COMMIT")}, over: "a cursor over a function that deletes is refused"},
	{name: "cursor WITH HOLD outside a block", unseen: "what COMMIT itself deletes", raw: []messages{q("DECLARE c CURSOR WITH HOLD FOR SELECT purge(4)"), q("FETCH ALL FROM c")}, over: "a cursor over a function that deletes is refused"},
	{name: "COPY in between", raw: []messages{q("BEGIN"), q("DELETE FROM plain WHERE id <= 2"), cat(q("COPY plain FROM STDIN"), copyData("1001\tx\n")), q("DELETE FROM plain WHERE id <= 4"), q("COMMIT")}, keys: true},
	{name: "max_rows", raw: []messages{cat(parse("", "DELETE FROM orders WHERE id <= 2 RETURNING id"), bind("", ""), execute("", 1), execute("", 1), execute("", 1), syncMsg)}, keys: true},
}
