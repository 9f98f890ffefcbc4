package catalog

// reachCase is one way in which a statement may, or seems to, delete from victim.
type reachCase struct {
	name, setup, statement string
	since                  int    // the PostgreSQL that has it; 0: all
	harmless               bool   // the server deletes nothing
	names, reads, unseen   string // must be in Reach
	absent, notReads, seen string // must not be
	everything, ddl        bool
}

const trigger = "RETURNS trigger LANGUAGE plpgsql AS "

var reachCases = []reachCase{
	// Functions and procedures.
	{name: "PL/pgSQL", statement: "SELECT purge()", names: "purge purge_trigger", reads: "purge", absent: "harmless victim t"},
	{name: "SQL", setup: "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM victim WHERE id < 3'", statement: "SELECT f()", names: "f"},
	{name: "SQL atomic", since: 14, setup: "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM victim; END", statement: "SELECT f()", names: "f"},
	{name: "RETURN expression", since: 14, setup: "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN purge()", statement: "SELECT f()", names: "f"},
	{name: "call chain", setup: `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT purge()'; CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN f(); END$$`,
		statement: "SELECT g()", names: "f g"},
	{name: "quoted name", setup: `CREATE SCHEMA "Ünï"; CREATE FUNCTION "Ünï"."Aufräumen"() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN 1; END$$;
		CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT "Ünï"."Aufräumen"()'`, statement: "SELECT f()", names: "f aufräumen"},
	{name: "procedure", setup: "CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM victim'; CREATE PROCEDURE q() LANGUAGE plpgsql AS $$BEGIN CALL p(); END$$",
		statement: "CALL q()", names: "p q"},
	{name: "SET track_counts", setup: "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET track_counts = off AS 'DELETE FROM victim WHERE id < 3'; CREATE FUNCTION g() RETURNS void LANGUAGE sql AS 'SELECT f()'",
		statement: "SELECT g()", names: "f g", unseen: "f g", seen: "purge"},
	{name: "track_counts in a body", setup: "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('track_counts', 'off', true); DELETE FROM victim WHERE id < 3; END$$",
		statement: "SELECT f()", names: "f", unseen: "f", seen: "purge"},
	{name: "TRUNCATE", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN TRUNCATE victim; RETURN 1; END$$", statement: "SELECT f()", names: "f"},
	{name: "dynamic EXECUTE", setup: "CREATE FUNCTION f(w text) RETURNS int LANGUAGE plpgsql AS $$BEGIN EXECUTE w || ' FROM victim'; RETURN 1; END$$",
		statement: "SELECT f('DELETE')", names: "f"},
	{name: "DO in a body", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN DO 'BEGIN PERFORM purge(); END'; RETURN 1; END$$", statement: "SELECT f()", names: "f"},
	{name: "created within", setup: `CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN CREATE FUNCTION late() RETURNS bigint LANGUAGE sql AS 'WITH d AS (DELETE FROM victim RETURNING 1) SELECT count(*) FROM d'; PERFORM late(); RETURN 1; END$$`,
		statement: "SELECT f()", names: "f"},
	{name: "MERGE", since: 15, setup: "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN MERGE INTO victim USING t ON t.id = victim.id WHEN MATCHED THEN DELETE; RETURN 1; END$$",
		statement: "SELECT f()", names: "f"},
	{name: "data-modifying WITH", setup: "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'WITH d AS (DELETE FROM victim RETURNING 1) SELECT count(*) FROM d'", statement: "SELECT f()", names: "f"},
	{name: "default argument", setup: "CREATE FUNCTION f(x int DEFAULT purge()) RETURNS int LANGUAGE sql AS 'SELECT x'", statement: "SELECT f()", names: "f"},
	{name: "functional notation", setup: "CREATE FUNCTION wipe(t) RETURNS int LANGUAGE sql AS 'SELECT purge()'; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT t.wipe FROM t LIMIT 1'",
		statement: "SELECT f()", names: "f wipe"},
	{name: "cursor in a body", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$DECLARE c CURSOR FOR SELECT * FROM victim FOR UPDATE; r record; BEGIN OPEN c; FETCH c INTO r; DELETE FROM victim WHERE CURRENT OF c; RETURN 1; END$$",
		statement: "SELECT f()", names: "f"},
	{name: "aggregate", setup: "CREATE FUNCTION s(int, int) RETURNS int LANGUAGE sql AS 'SELECT purge()'; CREATE AGGREGATE total(int) (SFUNC = s, STYPE = int)",
		statement: "SELECT total(v) FROM t", names: "total s"},
	{name: "built-in that runs text", setup: "CREATE FUNCTION f(q text) RETURNS xml LANGUAGE sql AS $$SELECT query_to_xml(q, true, true, '')$$",
		statement: "SELECT f('SELECT pur' || 'ge()')", names: "f query_to_xml ts_stat"},
	{name: "built-in under another name", setup: "CREATE FUNCTION f(text, bool, bool, text) RETURNS xml LANGUAGE internal AS 'query_to_xml'",
		statement: "SELECT f('SELECT pur' || 'ge()', true, true, '')", names: "f"},
	{name: "unknown language", setup: "CREATE LANGUAGE other HANDLER plpgsql_call_handler; CREATE FUNCTION f() RETURNS int LANGUAGE other AS $$BEGIN DELETE FROM victim; RETURN 1; END$$",
		statement: "SELECT f()", names: "f"},
	{name: "C function of an extension", setup: "CREATE EXTENSION tablefunc", statement: "SELECT * FROM crosstab('SELECT ''a''::text, ''b''::text, purge()::text') AS c (a text, b text)",
		names: "crosstab connectby"},

	// Triggers.
	{name: "UPDATE trigger", setup: "CREATE TRIGGER tr AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION purge_trigger()", statement: "UPDATE t SET v = 5", names: "t", notReads: "t", absent: "victim"},
	{name: "INSERT trigger through a function", setup: `CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION purge_trigger();
		CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'INSERT INTO public.t VALUES (9)'; CREATE FUNCTION g() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t'`,
		statement: "SELECT f()", names: "f t", reads: "f", absent: "g"},
	{name: "disabled trigger", setup: "CREATE TRIGGER tr AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION purge_trigger(); ALTER TABLE t DISABLE TRIGGER tr", statement: "UPDATE t SET v = 5", harmless: true, absent: "t"},
	{name: "trigger condition", setup: `CREATE FUNCTION cond(int) RETURNS bool LANGUAGE sql AS 'SELECT purge() = 0'; CREATE FUNCTION nothing() ` + trigger + `'BEGIN RETURN NEW; END';
		CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW WHEN (cond(NEW.v)) EXECUTE FUNCTION nothing()`, statement: "UPDATE t SET v = 5", names: "t"},
	{name: "INSTEAD OF trigger", setup: "CREATE VIEW vw AS SELECT * FROM t; CREATE TRIGGER tr INSTEAD OF UPDATE ON vw FOR EACH ROW EXECUTE FUNCTION purge_trigger()", statement: "UPDATE vw SET v = 1", names: "vw", absent: "t"},
	{name: "trigger under a view", setup: "CREATE VIEW vw AS SELECT * FROM t; CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION purge_trigger()", statement: "INSERT INTO vw VALUES (7, 7)", names: "vw t", notReads: "vw t"},
	{name: "trigger on a partition", setup: `CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
		CREATE TRIGGER tr AFTER INSERT ON p1 FOR EACH ROW EXECUTE FUNCTION purge_trigger()`, statement: "INSERT INTO p VALUES (1)", names: "p p1"},
	{name: "trigger on an inheritance child", setup: `CREATE TABLE c () INHERITS (t); INSERT INTO c VALUES (5, 5); CREATE TRIGGER tr AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION purge_trigger()`, statement: "UPDATE t SET v = 1", names: "t c"},
	{name: "row moving between partitions", setup: `CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (9) TO (99);
		INSERT INTO p VALUES (1); CREATE TRIGGER tr AFTER DELETE ON p FOR EACH ROW EXECUTE FUNCTION purge_trigger()`, statement: "UPDATE p SET id = 20", names: "p p1 p2"},
	{name: "ON UPDATE CASCADE to a trigger", setup: `CREATE TABLE c (id int REFERENCES t ON UPDATE CASCADE); INSERT INTO c VALUES (1); CREATE TRIGGER tr AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION purge_trigger()`,
		statement: "UPDATE t SET id = 10 WHERE id = 1", names: "t c"},
	{name: "DELETE trigger alone", setup: "CREATE TRIGGER tr AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION purge_trigger()", statement: "UPDATE t SET v = 5", harmless: true, absent: "t"},
	{name: "trigger that cannot delete", setup: `CREATE FUNCTION f() ` + trigger + `$$BEGIN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; INSERT INTO victim VALUES (99); RETURN NEW; END$$;
		CREATE TRIGGER tr AFTER UPDATE OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION f()`, statement: "UPDATE t SET v = 5", harmless: true, absent: "f t"},

	// Rules and views.
	{name: "rule on UPDATE", setup: "CREATE RULE r AS ON UPDATE TO t DO ALSO DELETE FROM victim", statement: "UPDATE t SET v = 3", names: "t", notReads: "t"},
	{name: "rule on INSERT that calls", setup: "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT purge()", statement: "INSERT INTO t VALUES (8)", names: "t"},
	{name: "rule on a view", setup: "CREATE VIEW vw AS SELECT * FROM t; CREATE RULE r AS ON UPDATE TO vw DO INSTEAD DELETE FROM victim", statement: "UPDATE vw SET v = 3", names: "vw", absent: "t"},
	{name: "rule that writes to a table with a trigger", setup: "CREATE TABLE log (v int); CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger(); CREATE RULE r AS ON UPDATE TO t DO ALSO INSERT INTO log VALUES (NEW.v)",
		statement: "UPDATE t SET v = 3", names: "t log"},
	{name: "rule with a condition that calls", setup: "CREATE TABLE log (v int); CREATE RULE r AS ON INSERT TO t WHERE purge() > 5 DO ALSO INSERT INTO log VALUES (1)", statement: "INSERT INTO t VALUES (8)", names: "t"},
	{name: "rule that cannot delete", setup: "CREATE RULE r AS ON UPDATE TO t DO ALSO UPDATE victim SET v = v + 1", statement: "UPDATE t SET v = 3", harmless: true, absent: "t"},
	{name: "view that calls", setup: "CREATE VIEW vw AS SELECT purge() AS n; CREATE VIEW vw2 AS SELECT n FROM vw", statement: "SELECT * FROM vw2", names: "vw vw2", reads: "vw vw2"},
	{name: "view over a built-in that runs text", setup: "CREATE VIEW vw AS SELECT query_to_xml('SELECT pur' || 'ge()', true, true, '') AS x", statement: "SELECT * FROM vw", names: "vw", reads: "vw"},
	{name: "view read by a function", setup: "CREATE VIEW vw AS SELECT purge() AS n; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT n FROM vw'", statement: "SELECT f()", names: "vw f"},
	{name: "table_to_xml of a view", setup: "CREATE VIEW vw AS SELECT purge() AS n", statement: "SELECT table_to_xml('v' || 'w', true, true, '')", names: "table_to_xml"},
	{name: "plain view", setup: "CREATE VIEW vw AS SELECT harmless() AS n, id FROM victim", statement: "SELECT * FROM vw", harmless: true, absent: "vw harmless victim"},
	{name: "materialized view", setup: "CREATE MATERIALIZED VIEW mv AS SELECT purge() AS n WITH NO DATA", statement: "REFRESH MATERIALIZED VIEW mv", names: "mv", notReads: "mv"},

	// Expressions in definitions.
	{name: "column default", setup: "ALTER TABLE t ADD d int; ALTER TABLE t ALTER d SET DEFAULT purge()", statement: "INSERT INTO t VALUES (8)", names: "t", notReads: "t"},
	{name: "check constraint", setup: "ALTER TABLE t ADD CHECK (purge() > 0 OR v > 0) NOT VALID", statement: "INSERT INTO t VALUES (8)", names: "t"},
	{name: "generated column", setup: "CREATE FUNCTION im(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN purge(); END'; CREATE TABLE g (a int, b int GENERATED ALWAYS AS (im(a)) STORED)",
		statement: "INSERT INTO g VALUES (1)", names: "g im"},
	{name: "index expression", setup: "CREATE FUNCTION im(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN purge(); END'; CREATE TABLE g (a int); CREATE INDEX ON g (im(a))",
		statement: "INSERT INTO g VALUES (1)", names: "g"},
	{name: "partition key", setup: "CREATE FUNCTION im(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN purge(); END'; CREATE TABLE g (a int) PARTITION BY LIST (im(a)); CREATE TABLE g1 PARTITION OF g DEFAULT",
		statement: "INSERT INTO g VALUES (1)", names: "g"},
	{name: "row security policy", setup: `CREATE FUNCTION see(int) RETURNS bool LANGUAGE sql SECURITY DEFINER AS 'SELECT purge() > 0'; CREATE TABLE g (a int); INSERT INTO g VALUES (1); ALTER TABLE g ENABLE ROW LEVEL SECURITY;
		CREATE POLICY pol ON g FOR SELECT USING (see(a)); GRANT ALL ON g, victim TO pg_monitor; SET LOCAL ROLE pg_monitor`, statement: "SELECT * FROM g; RESET ROLE", names: "g", reads: "g"},
	{name: "policy switched off", setup: "CREATE TABLE g (a int); CREATE POLICY pol ON g USING (purge() > 0)", statement: "SELECT * FROM g", harmless: true, absent: "g"},
	{name: "domain constraint", setup: "CREATE DOMAIN dom AS int CHECK (purge() > VALUE); CREATE TABLE g (a dom); CREATE FUNCTION f(x dom) RETURNS int LANGUAGE sql AS 'SELECT 1'", statement: "INSERT INTO g VALUES (0)", names: "g dom f"}, // g is a type, too
	{name: "domain in a row type", setup: "CREATE DOMAIN dom AS int CHECK (purge() > VALUE); CREATE TABLE g (a dom)", statement: "SELECT '(0)'::g", names: "g dom", reads: "g"},
	{name: "row type without a domain", setup: "CREATE DOMAIN dom AS int CHECK (harmless() > VALUE); CREATE TABLE g (a dom)", statement: "SELECT '(0)'::g", harmless: true, absent: "g"},
	{name: "domain in an array in a composite type", setup: "CREATE DOMAIN dom AS int CHECK (purge() > VALUE); CREATE TYPE comp AS (x dom[]); CREATE TABLE g (c comp)",
		statement: "INSERT INTO g VALUES (ROW('{0}'))", names: "g comp dom"},
	{name: "cast to a domain", setup: "CREATE DOMAIN dom AS int CHECK (purge() > VALUE); CREATE VIEW vw AS SELECT (v * 0)::dom AS d FROM t", statement: "SELECT d FROM vw", names: "vw dom", reads: "vw dom"},

	// What any statement may use without naming it.
	{name: "operator", setup: "CREATE FUNCTION op(int, int) RETURNS int LANGUAGE sql AS 'SELECT purge()'; CREATE OPERATOR ## (LEFTARG = int, RIGHTARG = int, FUNCTION = op)", statement: "SELECT 1 ## 2", everything: true},
	{name: "cast", setup: "CREATE TYPE pair AS (a int); CREATE FUNCTION conv(pair) RETURNS int LANGUAGE sql AS 'SELECT purge()'; CREATE CAST (pair AS int) WITH FUNCTION conv(pair)", statement: "SELECT ROW(1)::pair::int", everything: true},
	{name: "event trigger", setup: "CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM purge(); END'; CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN CREATE TABLE made (); RETURN 1; END'; CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION ev()",
		statement: "SELECT f()", names: "f", ddl: true},
	{name: "harmless event trigger", setup: "CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM harmless(); END'; CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION ev()",
		statement: "CREATE TABLE made ()", harmless: true, absent: "ev"},

	// What looks like deleting and is not.
	{name: "words in strings and comments", setup: `CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$
		-- DELETE FROM victim; SELECT purge();
		/* TRUNCATE victim */
		BEGIN RAISE NOTICE 'DELETE FROM victim'; RETURN 'EXECUTE purge()'; END$$`, statement: "SELECT f()", harmless: true, absent: "f"},
	{name: "column named delete", setup: `CREATE TABLE perms (delete bool, execute bool); CREATE FUNCTION f() RETURNS bool LANGUAGE sql AS 'SELECT p.execute, delete FROM perms p; SELECT delete FROM perms'`,
		statement: "SELECT f()", harmless: true, absent: "f"},
	{name: "upsert", setup: "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'INSERT INTO victim VALUES (1) ON CONFLICT DO NOTHING; INSERT INTO victim VALUES (1) ON CONFLICT (id) DO UPDATE SET v = 1'", statement: "SELECT f()", harmless: true, absent: "f"},
	{name: "temporary table", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN CREATE TEMP TABLE tmp (id int) ON COMMIT DELETE ROWS; CREATE TEMP TABLE tmp2 ON COMMIT DROP AS SELECT 1; RETURN 1; END'", statement: "SELECT f()", harmless: true, absent: "f"},
	{name: "cascading definition", setup: "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN CREATE TABLE made (id int REFERENCES victim ON DELETE CASCADE); GRANT DELETE, TRUNCATE ON made TO PUBLIC; RETURN 1; END'", statement: "SELECT f()", harmless: true},
	{name: "well-known extensions", setup: "CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION btree_gist; CREATE EXTENSION pg_trgm; CREATE EXTENSION pg_stat_statements",
		statement: "SELECT digest('a', 'md5'), 'a=>1'::hstore, 'A'::citext = 'a'", harmless: true, absent: "digest gen_random_bytes hstore similarity"},
}
