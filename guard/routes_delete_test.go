package guard_test

import "strings"

// routesExtra is there for all routes.
const routesExtra = `
CREATE FUNCTION purge(n int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE c int; BEGIN DELETE FROM plain WHERE id <= n; GET DIAGNOSTICS c = ROW_COUNT; RETURN c; END $$;
CREATE FUNCTION purge_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM plain WHERE id <= 7; RETURN NULL; END $$;
CREATE TABLE other (id int PRIMARY KEY, v int); INSERT INTO other SELECT i, i FROM generate_series(1, 9) i;
CREATE TABLE part (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10); CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (10) TO (20);
CREATE TABLE detail (id int PRIMARY KEY, pid int, pday int, FOREIGN KEY (pid, pday) REFERENCES part ON DELETE CASCADE);
INSERT INTO part SELECT i, i FROM generate_series(1, 19) i; INSERT INTO detail SELECT i, i, i FROM generate_series(1, 19) i;
CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE derived (PRIMARY KEY (id)) INHERITS (base);
INSERT INTO base SELECT generate_series(1, 5); INSERT INTO derived SELECT generate_series(11, 15);
CREATE VIEW small AS SELECT id, a FROM plain WHERE id <= 20;
CREATE ROLE clerk; GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk;
`

// heirs: the same numbers stand in a parent's own rows and in its heir's, and each
// foreign key is about one of the two.
const heirs = `
CREATE TABLE old (id int PRIMARY KEY, up int REFERENCES old ON DELETE CASCADE); CREATE TABLE young (extra text, PRIMARY KEY (id)) INHERITS (old);
CREATE TABLE of_old (id int PRIMARY KEY, o int REFERENCES old ON DELETE CASCADE, y int REFERENCES young ON DELETE SET NULL);
CREATE TABLE of_young (id int PRIMARY KEY, y int REFERENCES young ON DELETE CASCADE, f int REFERENCES of_old ON DELETE CASCADE);
INSERT INTO old SELECT i, nullif(i / 3, 0) FROM generate_series(1, 20) i; INSERT INTO young SELECT i, i / 3, 'x' FROM generate_series(10, 30) i;
INSERT INTO of_old SELECT i, 1 + i % 20, 10 + i % 21 FROM generate_series(1, 60) i; INSERT INTO of_young SELECT i, 10 + i % 21, 1 + i % 60 FROM generate_series(1, 90) i;
ALTER TABLE old ADD guide int REFERENCES young ON DELETE CASCADE; UPDATE ONLY old SET guide = id + 10 WHERE id IN (4, 17)`

// deleteRoutes are DELETEs by themselves, in every dress.
var deleteRoutes = []route{
	{name: "alias", sql: []string{"DELETE FROM plain AS p WHERE p.id <= 3"}, keys: true},
	{name: "alias without AS", sql: []string{`DELETE FROM plain "P x" WHERE "P x".id <= 3 RETURNING "P x".*`}, keys: true},
	{name: "ONLY", sql: []string{"DELETE FROM ONLY base"}, keys: true},
	{name: "star", sql: []string{"DELETE FROM base *"}, keys: true},
	{name: "USING", sql: []string{"DELETE FROM payments p USING orders o WHERE o.id = p.order_id AND o.id <= 3"}, keys: true},
	{name: "USING itself", sql: []string{"DELETE FROM plain p USING plain x WHERE x.id = p.id + 1 AND p.id <= 3 RETURNING x.id, p.id"}, keys: true},
	{name: "subquery", sql: []string{"DELETE FROM plain WHERE id IN (SELECT o.id FROM orders o WHERE o.id < 4)"}, keys: true},
	{name: "WITH", sql: []string{"WITH x AS (SELECT id FROM orders WHERE id <= 3) DELETE FROM orders WHERE id IN (SELECT id FROM x) RETURNING id, kind"}, keys: true},
	{name: "WITH RECURSIVE", sql: []string{"WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 4) DELETE FROM plain WHERE id IN (SELECT n FROM x)"}, keys: true},
	{name: "RETURNING INTO columns of the same names", sql: []string{"DELETE FROM plain WHERE id <= 3 RETURNING id AS a, a AS id, tableoid::regclass, ctid"}, keys: true},
	{name: "WHERE CURRENT OF", sql: []string{"BEGIN", "DECLARE c CURSOR FOR SELECT * FROM plain ORDER BY id FOR UPDATE", "MOVE 2 FROM c", "DELETE FROM plain WHERE CURRENT OF c", "FETCH 1 FROM c", "DELETE FROM plain WHERE CURRENT OF c", "COMMIT"}, keys: true},
	{name: "WHERE CURRENT OF with cascades", sql: []string{"BEGIN", "DECLARE c CURSOR FOR SELECT * FROM orders ORDER BY id FOR UPDATE", "MOVE 2 FROM c", "DELETE FROM orders WHERE CURRENT OF c", "COMMIT"}},
	{name: "partitioned by root", sql: []string{"DELETE FROM part WHERE day BETWEEN 8 AND 12"}, keys: true},
	{name: "partitioned by leaf", sql: []string{"DELETE FROM part2 WHERE day < 13"}, keys: true},
	{name: "inherited", sql: []string{"DELETE FROM base WHERE id IN (1, 11, 12)"}, keys: true},
	{name: "inherited and referenced", setup: heirs, sql: []string{"DELETE FROM old WHERE id IN (1, 2, 11, 12)"}, keys: true},
	{name: "inherited and referenced, RETURNING", setup: heirs, sql: []string{"BEGIN", "DELETE FROM old WHERE id < 15 AND id % 2 = 0 RETURNING *, tableoid::regclass", "DELETE FROM ONLY old WHERE id < 5", "COMMIT"}, keys: true},
	{name: "inherited, and the keys lead back", setup: heirs + "; ALTER TABLE young ADD back int REFERENCES old ON DELETE CASCADE; UPDATE young SET back = 3 WHERE id = 13", sql: []string{"DELETE FROM old WHERE id = 3"}},
	{name: "one partition referenced", setup: "CREATE TABLE of_part1 (id int PRIMARY KEY, pid int, pday int, FOREIGN KEY (pid, pday) REFERENCES part1 ON DELETE CASCADE); INSERT INTO of_part1 SELECT i, i % 9 + 1, i % 9 + 1 FROM generate_series(1, 30) i",
		sql: []string{"DELETE FROM part WHERE day BETWEEN 8 AND 12"}, keys: true},
	{name: "view", sql: []string{"DELETE FROM small WHERE id < 5 RETURNING *"}},
	{name: "view over a view", setup: "CREATE VIEW smaller AS SELECT * FROM small WHERE id < 10", sql: []string{"DELETE FROM smaller"}},
	{name: "INSTEAD OF trigger", setup: "CREATE VIEW vw AS SELECT id FROM other; CREATE FUNCTION ins() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM plain WHERE id = OLD.id; RETURN OLD; END$$; CREATE TRIGGER t INSTEAD OF DELETE ON vw FOR EACH ROW EXECUTE FUNCTION ins()",
		sql: []string{"DELETE FROM vw WHERE id <= 4"}},
	{name: "rule instead", setup: "CREATE RULE r AS ON DELETE TO other DO INSTEAD DELETE FROM plain WHERE id = OLD.id", sql: []string{"DELETE FROM other WHERE id <= 4"}},
	{name: "rule also", setup: "CREATE RULE r AS ON DELETE TO other DO ALSO DELETE FROM plain WHERE id = OLD.id", sql: []string{"DELETE FROM other WHERE id <= 4"}},
	{name: "rule on INSERT", setup: "CREATE RULE r AS ON INSERT TO other DO ALSO DELETE FROM plain WHERE id <= 4", sql: []string{"INSERT INTO other VALUES (100)"}},
	{name: "rule on UPDATE", setup: "CREATE RULE r AS ON UPDATE TO other DO INSTEAD DELETE FROM plain WHERE id = OLD.id", sql: []string{"UPDATE other SET v = 0 WHERE id < 4"}},
	{name: "temporary table over a permanent one", sql: []string{"CREATE TEMP TABLE plain AS SELECT generate_series(1, 50) id", "DELETE FROM plain", "DELETE FROM public.plain WHERE id <= 3"}, keys: true},
	{name: "temporary table with a trigger", sql: []string{"CREATE TEMP TABLE x (id int)", "INSERT INTO x VALUES (1)", "CREATE TRIGGER t AFTER DELETE ON x EXECUTE FUNCTION purge_trigger()", "DELETE FROM x"}},
	{name: "quoted names", setup: `CREATE SCHEMA "A b"; CREATE TABLE "A b"."T""x ä" ("Id ""q" int PRIMARY KEY, "sel.ect" text); INSERT INTO "A b"."T""x ä" SELECT generate_series(1, 5), 'x';
		CREATE TABLE "A b".kid ("Id" int PRIMARY KEY, p int REFERENCES "A b"."T""x ä" ON DELETE CASCADE); INSERT INTO "A b".kid SELECT i, i FROM generate_series(1, 5) i`,
		sql: []string{`DELETE FROM "A b"."T""x ä" WHERE "Id ""q" <= 2 RETURNING *`}, keys: true},
	{name: "Unicode escapes", sql: []string{`DELETE FROM U&"pl\0061in" WHERE id <= 3`}}, // it might name anything: counted
	{name: "comments", sql: []string{"/* a /* b */ ; */ DELETE -- c\n FROM/**/plain -- d ; \n WHERE id <= 3 -- e"}, keys: true},
	{name: "dollar quotes", sql: []string{"DELETE FROM plain WHERE a IN ($$row 1$$, $x$row 2$x$, $x$;$$ $x$)"}, keys: true},
	{name: "standard_conforming_strings off", sql: []string{"SET standard_conforming_strings = off", `DELETE FROM plain WHERE a <> '\' AND id <> '7' --' AND id <= 3`}},
	{name: "long statement", sql: []string{"DELETE FROM plain WHERE id IN (1, 2, 3" + strings.Repeat(", 1000000001", 120000) + ")"}, keys: true},
	{name: "composite foreign key", setup: "CREATE TABLE a (x int, y text, PRIMARY KEY (x, y)); CREATE TABLE b (id int PRIMARY KEY, y text, x int, FOREIGN KEY (x, y) REFERENCES a ON DELETE CASCADE); INSERT INTO a VALUES (1, 'a'), (1, 'b'), (2, 'a'); INSERT INTO b VALUES (1, 'a', 1), (2, 'a', 1), (3, 'b', 1), (4, NULL, 1), (5, 'a', 2)",
		sql: []string{"DELETE FROM a WHERE x = 1"}, keys: true},
	{name: "foreign key to another unique key", setup: "CREATE TABLE a (id int PRIMARY KEY, u text UNIQUE); CREATE TABLE b (id int PRIMARY KEY, u text REFERENCES a (u) ON DELETE CASCADE); INSERT INTO a VALUES (1, 'x'), (2, NULL), (3, 'y'); INSERT INTO b VALUES (1, 'x'), (2, NULL), (3, 'x'), (4, 'y')",
		sql: []string{"DELETE FROM a WHERE id <= 2"}, keys: true},
	{name: "foreign keys of other types", setup: "CREATE TABLE a (id bigint PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a smallint REFERENCES a ON DELETE CASCADE); INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1, 1), (2, 1), (3, 2)",
		sql: []string{"DELETE FROM a WHERE id = 1"}, keys: true},
	{name: "foreign key of type citext", setup: "CREATE EXTENSION citext; CREATE TABLE a (id citext PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a citext REFERENCES a ON DELETE CASCADE); INSERT INTO a VALUES ('Abc'), ('def'); INSERT INTO b VALUES (1, 'abc'), (2, 'ABC'), (3, 'def')",
		sql: []string{"DELETE FROM a WHERE id = 'ABC'"}},
	{name: "foreign key of type ltree", setup: "CREATE EXTENSION ltree; CREATE TABLE a (id ltree PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a ltree REFERENCES a ON DELETE CASCADE); INSERT INTO a VALUES ('a.b'), ('c'); INSERT INTO b VALUES (1, 'a.b'), (2, 'c')",
		sql: []string{"DELETE FROM a WHERE id = 'a.b'"}},
	{name: "foreign key of an enum", setup: "CREATE TYPE e AS ENUM ('x', 'y'); CREATE TABLE a (id e PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a e REFERENCES a ON DELETE CASCADE); INSERT INTO a VALUES ('x'), ('y'); INSERT INTO b VALUES (1, 'x'), (2, 'y')",
		sql: []string{"DELETE FROM a WHERE id = 'x'"}, keys: true},
	{name: "self-reference", sql: []string{"DELETE FROM tree WHERE id = 2 RETURNING *"}, keys: true},
	{name: "two self-references", setup: "ALTER TABLE tree ADD friend int REFERENCES tree ON DELETE CASCADE; UPDATE tree SET friend = 4 WHERE id IN (20, 21)", sql: []string{"DELETE FROM tree WHERE id = 4"}, keys: true},
	{name: "diamond", setup: "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE); CREATE TABLE c (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE); CREATE TABLE d (id int PRIMARY KEY, b int REFERENCES b ON DELETE CASCADE, c int REFERENCES c ON DELETE CASCADE, n int REFERENCES a ON DELETE SET NULL);" +
		"INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1, 1), (2, 2); INSERT INTO c VALUES (1, 1), (2, 2); INSERT INTO d VALUES (1, 1, 1, 1), (2, 1, 2, 2), (3, 2, 1, 1), (4, 2, 2, 1)",
		sql: []string{"DELETE FROM a WHERE id = 1"}, keys: true},
	{name: "cycle", setup: "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE; INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1, 1), (2, 2); UPDATE a SET b = 3 - id",
		sql: []string{"DELETE FROM a WHERE id = 1"}, keys: true},
	{name: "cascades leave what inherits alone", setup: "CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE, up int REFERENCES p ON DELETE CASCADE); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (p); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (u) ON DELETE CASCADE); CREATE TABLE c_heir (PRIMARY KEY (id)) INHERITS (c);" +
		"INSERT INTO p SELECT i, i, nullif(i / 2, 0) FROM generate_series(1, 9) i; INSERT INTO heir SELECT i, i, i / 2 FROM generate_series(5, 30) i; INSERT INTO c SELECT i, i FROM generate_series(1, 9) i; INSERT INTO c_heir SELECT i, i FROM generate_series(1, 30) i",
		sql: []string{"DELETE FROM ONLY p WHERE id = 2"}, keys: true},
	{name: "cycle below the target", setup: circle + "; ALTER TABLE orders ADD a int REFERENCES a ON DELETE SET NULL; UPDATE orders SET a = id WHERE id < 9; CREATE TABLE top (id int PRIMARY KEY); INSERT INTO top VALUES (1), (2); ALTER TABLE a ADD top int REFERENCES top ON DELETE CASCADE; UPDATE a SET top = 1 WHERE id IN (2, 7)",
		sql: []string{"DELETE FROM top WHERE id = 1"}, keys: true},
	{name: "cycle with partitions and a self-reference, RETURNING", setup: circle, sql: []string{"DELETE FROM b WHERE id = 3 RETURNING id, x"}, keys: true},
	{name: "SET DEFAULT", setup: "CREATE TABLE b (id int PRIMARY KEY, o int DEFAULT 50 REFERENCES orders ON DELETE SET DEFAULT); INSERT INTO b SELECT i, i FROM generate_series(1, 9) i", sql: []string{"DELETE FROM orders WHERE id = 3"}, keys: true},
	{name: "deferrable foreign key", setup: "CREATE TABLE b (id int PRIMARY KEY, o int REFERENCES orders ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED); INSERT INTO b SELECT i, i FROM generate_series(1, 9) i", sql: []string{"BEGIN", "DELETE FROM orders WHERE id = 3", "COMMIT"}, keys: true},
	{name: "no key", setup: "CREATE TABLE bag (a int, b text); INSERT INTO bag SELECT i / 2, 'x' FROM generate_series(1, 9) i", sql: []string{"DELETE FROM bag WHERE a < 3"}},
	{name: "no key in a cascade", setup: "CREATE TABLE bag (a int REFERENCES orders ON DELETE CASCADE); INSERT INTO bag SELECT i FROM generate_series(1, 9) i", sql: []string{"DELETE FROM orders WHERE id < 3"}},
	{name: "trigger that deletes", setup: "CREATE TRIGGER t AFTER DELETE ON other EXECUTE FUNCTION purge_trigger()", sql: []string{"DELETE FROM other WHERE id = 1"}},
	{name: "trigger on a cascaded table", setup: "CREATE TRIGGER t AFTER DELETE ON refunds FOR EACH ROW EXECUTE FUNCTION purge_trigger()", sql: []string{"DELETE FROM orders WHERE id = 1"}},
	{name: "trigger that keeps the row", setup: "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.id = 2 THEN RETURN NULL; END IF; RETURN OLD; END$$; CREATE TRIGGER t BEFORE DELETE ON plain FOR EACH ROW EXECUTE FUNCTION keep()", sql: []string{"DELETE FROM plain WHERE id <= 4"}, keys: true},
	{name: "trigger that empties another table", setup: "CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN TRUNCATE other; RETURN NULL; END$$; CREATE TRIGGER t AFTER DELETE ON plain EXECUTE FUNCTION wipe()", sql: []string{"DELETE FROM plain WHERE id = 1"},
		over: "how many rows a TRUNCATE in a function takes is not known before"},
	{name: "function in WHERE", sql: []string{"DELETE FROM other WHERE id = purge(5)"}},
	{name: "function in RETURNING", sql: []string{"DELETE FROM other WHERE id = 1 RETURNING purge(5)"}},
	{name: "view in USING", setup: "CREATE VIEW pv AS SELECT purge(5) AS n", sql: []string{"DELETE FROM other USING pv WHERE id = n"}},
	{name: "SET ROLE", sql: []string{"SET ROLE clerk", "DELETE FROM orders WHERE id <= 2"}, keys: true},
	{name: "no SELECT privilege", setup: "REVOKE SELECT ON plain FROM clerk", sql: []string{"SET ROLE clerk", "DELETE FROM plain"}},
	{name: "no SELECT privilege on a child", setup: "REVOKE SELECT ON refunds FROM clerk", sql: []string{"SET ROLE clerk", "DELETE FROM orders WHERE id <= 2"}},
	{name: "row security on a child", setup: "ALTER TABLE refunds ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON refunds USING (id > 1000)", sql: []string{"SET ROLE clerk", "DELETE FROM orders WHERE id <= 2"}},
	{name: "row security on a child, which is to be an error", setup: "ALTER TABLE refunds ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON refunds USING (id > 1000)", sql: []string{"SET ROLE clerk", "DELETE FROM orders WHERE id = -1", "SET row_security = off", "DELETE FROM orders WHERE id <= 2"}},
	{name: "row security on the target", setup: "ALTER TABLE plain ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON plain USING (id > 95)", sql: []string{"SET ROLE clerk", "DELETE FROM plain"}, keys: true},
	{name: "search_path", setup: "CREATE SCHEMA s; CREATE TABLE s.plain (id int PRIMARY KEY); INSERT INTO s.plain SELECT generate_series(1, 5)", sql: []string{"SET search_path = s, public", "DELETE FROM plain", "RESET search_path"}, keys: true},
	{name: "search_path set by a function", setup: "CREATE SCHEMA s; CREATE TABLE s.plain (id int PRIMARY KEY); INSERT INTO s.plain SELECT generate_series(1, 5); CREATE FUNCTION move() RETURNS void LANGUAGE plpgsql AS $$BEGIN SET search_path = s; END$$",
		sql: []string{"SELECT public.move()", "DELETE FROM plain"}, keys: true},
}

// keyRoutes are keys whose values are hard to print.
var keyRoutes = []route{
	{name: "text with odd characters", setup: `CREATE TABLE k (id text PRIMARY KEY); INSERT INTO k VALUES (''), (' '), ('''"\'), (E'a\nb\t\x01'), ('äöü €😀'), ('NULL'), ('{"a":1}')`, sql: []string{"DELETE FROM k"}, keys: true},
	{name: "bytea", setup: `CREATE TABLE k (id bytea PRIMARY KEY); INSERT INTO k VALUES ('\x'), ('\x00ff5c27')`, sql: []string{"SET bytea_output = escape", "DELETE FROM k"}, keys: true},
	{name: "times", setup: `CREATE TABLE k (a timestamptz, b date, c interval, PRIMARY KEY (a, b, c)); INSERT INTO k VALUES ('2024-03-01 12:34:56.789012+02', '1999-12-31', '1 mon -2 days 03:04:05.6'), ('infinity', '0044-03-15 BC', '-1 year')`,
		sql: []string{"SET DateStyle = 'SQL, DMY'", "SET TimeZone = 'America/New_York'", "SET IntervalStyle = sql_standard", "DELETE FROM k"}, keys: true},
	{name: "numbers", setup: `CREATE TABLE k (a numeric, b float8, c float4, PRIMARY KEY (a, b, c)); INSERT INTO k VALUES (1.50, 0.1, 3.4e38), ('NaN', '-Infinity', 1.17549435e-38), (1e40, 1e-300, 0.3)`, sql: []string{"SET extra_float_digits = -10", "DELETE FROM k"}, keys: true},
	{name: "uuid, inet, bool, char", setup: `CREATE TABLE k (a uuid, b inet, c bool, d char(5), e "char", PRIMARY KEY (a, b, c, d, e)); INSERT INTO k VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.1.2.3/8', true, 'ab', 'x')`, sql: []string{"DELETE FROM k"}, keys: true},
	{name: "enum, domain, array", setup: `CREATE TYPE mood AS ENUM ('so so', 'ok'); CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE TABLE k (a mood, b pos, c int[], PRIMARY KEY (a, b, c)); INSERT INTO k VALUES ('so so', 5, '{1,NULL,3}')`, sql: []string{"DELETE FROM k"}, keys: true},
	{name: "range and jsonb", setup: `CREATE TABLE k (a int4range, b jsonb, PRIMARY KEY (a, b)); INSERT INTO k VALUES ('[1,5)', '{"x": "é"}'), ('empty', '[]')`, sql: []string{"DELETE FROM k"}, keys: true},
	{name: "client_encoding", setup: `CREATE TABLE k (id text PRIMARY KEY); INSERT INTO k VALUES ('äöü'), ('x')`, sql: []string{"SET client_encoding = LATIN1", "DELETE FROM k"}, keys: true},
	{name: "client_encoding cannot hold the key", setup: `CREATE TABLE k (id text PRIMARY KEY); INSERT INTO k VALUES ('€😀')`, sql: []string{"SET client_encoding = LATIN1", "DELETE FROM k"}, keys: true},
	{name: "generated column", setup: `CREATE TABLE k (a int GENERATED ALWAYS AS IDENTITY, b int GENERATED ALWAYS AS (1) STORED, PRIMARY KEY (a, b)); INSERT INTO k DEFAULT VALUES; INSERT INTO k DEFAULT VALUES`, sql: []string{"DELETE FROM k"}, keys: true},
}

// circle is three tables whose cascades lead back to each other, one partitioned, one also to itself.
const circle = `CREATE TABLE a (id int PRIMARY KEY, c int); CREATE TABLE b (id int, x int, a int REFERENCES a ON DELETE CASCADE, PRIMARY KEY (id, x)) PARTITION BY HASH (id);
	CREATE TABLE b0 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE b1 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE TABLE c (id int PRIMARY KEY, b int, x int, up int REFERENCES c ON DELETE CASCADE, FOREIGN KEY (b, x) REFERENCES b ON DELETE CASCADE);
	INSERT INTO a SELECT i FROM generate_series(1, 12) i; INSERT INTO b SELECT i, i, CASE WHEN i % 5 > 0 THEN i END FROM generate_series(1, 12) i;
	INSERT INTO c SELECT i, CASE WHEN i % 4 > 0 THEN i END, i, CASE WHEN i % 4 = 0 THEN i - 1 END FROM generate_series(1, 12) i;
	UPDATE a SET c = id - 1 WHERE id > 1; ALTER TABLE a ADD FOREIGN KEY (c) REFERENCES c ON DELETE CASCADE`
