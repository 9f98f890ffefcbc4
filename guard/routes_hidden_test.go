package guard_test

import "github.com/jackc/pgx/v5/pgproto3"

// hiddenRoutes make the server do something else than the text, the catalog or
// the counters seem to say.
var hiddenRoutes = []route{
	{name: "TRUNCATE in a function after a DELETE", setup: truncating, sql: []string{"BEGIN", "DELETE FROM plain WHERE id <= 5", "SELECT f()", "COMMIT"}, over: "how many rows a TRUNCATE in a function takes is not known before"},
	{name: "TRUNCATE in a function before a DELETE", setup: "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE plain; INSERT INTO plain VALUES (1000); DELETE FROM plain; END'; ANALYZE plain", sql: []string{"SELECT f()"}, over: "how many rows a TRUNCATE in a function takes is not known before"},
	{name: "view whose rows a table is partitioned by", setup: "CREATE VIEW kind AS SELECT 1 AS x; CREATE TABLE by_kind (id int, k kind) PARTITION BY LIST (k); CREATE TABLE any_kind PARTITION OF by_kind DEFAULT; INSERT INTO by_kind SELECT i, row(i)::kind FROM generate_series(1, 5) i; ANALYZE by_kind", sql: []string{"DROP VIEW kind CASCADE"}, over: "how many rows go with a type is not known"},
	{name: "views that no table is partitioned by", setup: loopback + "CREATE VIEW upper AS SELECT * FROM small; CREATE MATERIALIZED VIEW kept AS SELECT * FROM upper; CREATE SEQUENCE s; CREATE VIEW farther AS SELECT * FROM far", sql: []string{"BEGIN", "DROP VIEW small CASCADE", "DROP SEQUENCE s CASCADE", "COMMIT", "DROP FOREIGN TABLE far CASCADE"}},
	{name: "DETACH in a function", setup: "DROP TABLE detail; ANALYZE part; CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN ALTER TABLE part DETACH PARTITION part1; END'", sql: []string{"SELECT f()"}, over: "how many rows a DETACH in a function takes is not known before"},
	{name: "function redefined by a function", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS ''SELECT purge(5)'''; END$$", sql: []string{"SELECT g()", "SELECT f()"}},
	{name: "function redefined after others", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", raw: []messages{q("BEGIN"), q("CREATE TABLE made ()"), cat(named("s", "SELECT f()"), syncMsg), q("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT purge(5)'"), cat(bound("s"), syncMsg), q("COMMIT")}},
	{name: "operators in front of the server's own", setup: `CREATE SCHEMA evil; CREATE FUNCTION evil.no("char", "char") RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false'; CREATE OPERATOR evil.= (LEFTARG = "char", RIGHTARG = "char", FUNCTION = evil.no); CREATE OPERATOR evil.<> (LEFTARG = "char", RIGHTARG = "char", FUNCTION = evil.no);
		CREATE FUNCTION evil.no(oid, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false'; CREATE OPERATOR evil.>= (LEFTARG = oid, RIGHTARG = int, FUNCTION = evil.no)`, sql: []string{"SET search_path = evil, pg_catalog, public", "BEGIN", "SELECT purge(5)", "TRUNCATE other", "COMMIT"}},
	{name: "temporary view", sql: []string{"CREATE TEMP VIEW v AS SELECT * FROM plain", "CREATE TABLE made ()", "DELETE FROM v WHERE id <= 5"}},
	{name: "rule on a temporary table", sql: []string{"CREATE TEMP TABLE x (id int)", "INSERT INTO x VALUES (1)", "CREATE RULE r AS ON DELETE TO x DO INSTEAD DELETE FROM public.plain WHERE plain.id <= 5", "CREATE TABLE made ()", "DELETE FROM x"}},
	{name: "function in a DELETE from a temporary table", sql: []string{"CREATE TEMP TABLE x (id int)", "INSERT INTO x VALUES (1)", "CREATE TABLE made ()", "DELETE FROM x WHERE id = purge(5)"}},
	{name: "prepared before a temporary table of that name", raw: []messages{q("CREATE TEMP TABLE y (id int)"), cat(named("s", "DELETE FROM plain WHERE id <= 5"), syncMsg), q("CREATE TEMP TABLE plain (id int)"), q("CREATE TABLE made ()"), cat(bound("s"), syncMsg)}},
	{name: "foreign table", setup: loopback, sql: []string{"DELETE FROM far WHERE id <= 5"}},
	{name: "view of a foreign table", setup: loopback + "CREATE VIEW farther AS SELECT * FROM far", sql: []string{"DELETE FROM farther WHERE id <= 5"}},
	{name: "foreign table inside another statement", setup: loopback, sql: []string{"WITH d AS (DELETE FROM far WHERE id <= 5 RETURNING 1) SELECT count(*) FROM d"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "foreign table in a function", setup: loopback + "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM far WHERE id <= 5'", sql: []string{"SELECT f()"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "foreign table in a DO block", setup: loopback, sql: []string{"DO $$BEGIN DELETE FROM far WHERE id <= 5; END$$"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "foreign table in a trigger", setup: loopback + "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM far WHERE id <= 5; RETURN NEW; END'; CREATE TRIGGER t AFTER UPDATE ON other FOR EACH ROW EXECUTE FUNCTION f()", sql: []string{"UPDATE other SET v = 1 WHERE id = 1"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "foreign table by EXECUTE", setup: loopback, sql: []string{"PREPARE p AS DELETE FROM far WHERE id <= 5", "EXECUTE p"}},
	{name: "foreign table inside another statement by EXECUTE", setup: loopback, sql: []string{"PREPARE p AS WITH d AS (DELETE FROM far WHERE id <= 5 RETURNING 1) SELECT count(*) FROM d", "EXECUTE p"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "foreign table by EXPLAIN EXECUTE", setup: loopback, sql: []string{"PREPARE p AS DELETE FROM far WHERE id <= 5", "EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE p"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "track_counts off", sql: []string{"SET track_counts = off", "SELECT purge(5)"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "track_counts off, inside another statement", sql: []string{"SET track_counts = off", "WITH d AS (DELETE FROM plain WHERE id <= 5 RETURNING 1) SELECT count(*) FROM d"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "track_counts off in a function", setup: "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET track_counts = off AS 'DELETE FROM plain WHERE id <= 5'", sql: []string{"SELECT f()"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "track_counts off in a DO block", sql: []string{"DO $$BEGIN SET track_counts = off; DELETE FROM plain WHERE id <= 5; SET track_counts = on; END$$"}, over: "no counter shows it", unseen: "its entry has no numbers"},
	{name: "track_counts on again in a function", setup: "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN DELETE FROM plain WHERE id <= 5; PERFORM set_config('track_' || 'counts', 'on', false); END$$", sql: []string{"SET track_counts = off", "SELECT f()"}, over: "no counter shows it", unseen: "nobody could count it"},
	{name: "cursor over a function redefined after", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", sql: []string{"BEGIN", "DECLARE c CURSOR FOR SELECT f()", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT purge(5)'", "FETCH c", "COMMIT"}},
	{name: "portal over a function redefined after", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", raw: []messages{q("BEGIN"), cat(messages{&pgproto3.Parse{Query: "SELECT f()"}, &pgproto3.Bind{DestinationPortal: "c"}}, syncMsg), q("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT purge(5)'"), cat(messages{&pgproto3.Execute{Portal: "c"}}, syncMsg), q("COMMIT")}},
	{name: "prepared before another view of that name", setup: "CREATE SCHEMA one; CREATE SCHEMA two; CREATE VIEW two.free AS SELECT * FROM plain", raw: []messages{q("SET search_path = one, two, public"), cat(named("s", "DELETE FROM free WHERE id <= 5"), syncMsg), q("CREATE VIEW one.free AS SELECT * FROM other"), cat(bound("s"), syncMsg)}},
	{name: "TRUNCATE of a foreign table", since: 14, setup: loopback, sql: []string{"TRUNCATE far"}},
	{name: "backslashes that mean something else by now", raw: []messages{cat(q("SET standard_conforming_strings = off"), q(`SELECT '\'; DELETE FROM plain WHERE id <= 5; --'`))}},
	{name: "deferred trigger after a COMMIT in the same Query", setup: deferred, raw: []messages{q("BEGIN"), q("COMMIT; DELETE FROM orders WHERE id = 3; UPDATE other SET v = 1 WHERE id = 1")}},
	{name: "deferred trigger after a COMMIT in the same pipeline", setup: deferred, raw: []messages{q("BEGIN"), cat(pbe("COMMIT"), pbe("DELETE FROM orders WHERE id = 3"), pbe("UPDATE other SET v = 1 WHERE id = 1"), syncMsg)}},
	{name: "a misspelt statement among others", raw: []messages{q("BEGIN; DELETE FROM plain WHERE id <= 5; COMMIT; SELEKT 1"), q("BEGIN"), q("DELETE FROM plain WHERE id <= 5; COMMIT; SELEKT 2"), q("ROLLBACK")}},
	{name: "VACUUM with statements prepared before DDL", raw: []messages{cat(named("s", "SELECT 1"), syncMsg), q("CREATE TABLE made ()"), cat(pbe("VACUUM other"), syncMsg), cat(named("v", "VACUUM other"), syncMsg), q("CREATE TABLE more ()"), cat(bound("v"), syncMsg), q("SELECT 1")}},
	{name: "a portal in pieces", raw: []messages{q("BEGIN"), cat(messages{&pgproto3.Parse{Query: "SELECT purge(g) FROM generate_series(1, 5) g"}, &pgproto3.Bind{DestinationPortal: "c"}, &pgproto3.Execute{Portal: "c", MaxRows: 2}, &pgproto3.Execute{Portal: "c", MaxRows: 9}}, syncMsg), q("COMMIT")}},
}

const (
	truncating = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE plain; END'; ANALYZE plain"
	// loopback is a foreign table whose rows are those of plain.
	loopback = `CREATE EXTENSION postgres_fdw; DO $$ BEGIN EXECUTE format('CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()); END $$;
		CREATE USER MAPPING FOR postgres SERVER loop OPTIONS (user 'postgres'); CREATE FOREIGN TABLE far (id int, a text) SERVER loop OPTIONS (table_name 'plain');`
)

func named(name, sql string) messages { return messages{&pgproto3.Parse{Name: name, Query: sql}} }

// bound runs a statement that has been prepared.
func bound(name string) messages {
	return messages{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}}
}
