package guard_test

// newerRoutes are in words that the parser does not know (PostgreSQL 17 and
// later): what it cannot read is counted, and never passed.
var newerRoutes = []route{
	{name: "MERGE by source", since: 17, sql: []string{"MERGE INTO plain p USING other o ON o.id = p.id AND o.id > 4 WHEN NOT MATCHED BY SOURCE THEN DELETE"}},
	{name: "MERGE RETURNING", since: 17, sql: []string{"MERGE INTO plain p USING other o ON o.id = p.id WHEN MATCHED AND p.id <= 4 THEN DELETE RETURNING merge_action(), p.id"}},
	{name: "WITH of a MERGE", since: 17, sql: []string{"WITH m AS (MERGE INTO plain p USING other o ON o.id = p.id WHEN MATCHED AND p.id <= 4 THEN DELETE RETURNING p.id) SELECT count(*) FROM m"}},
	{name: "COPY TO of a MERGE", since: 17, sql: []string{"COPY (MERGE INTO plain p USING other o ON o.id = p.id WHEN MATCHED AND p.id <= 4 THEN DELETE RETURNING p.id) TO STDOUT"}},
	{name: "MERGE into a view", since: 17, setup: "CREATE VIEW shown AS SELECT id, a FROM plain", sql: []string{"MERGE INTO shown p USING other o ON o.id = p.id WHEN MATCHED AND p.id <= 4 THEN DELETE"}},
	{name: "MERGE in a function", since: 17, setup: "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'WITH m AS (MERGE INTO plain p USING other o ON o.id = p.id AND o.id > 4 WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING 1) SELECT count(*) FROM m'", sql: []string{"SELECT f()"}},
	{name: "MERGE in an atomic body", since: 17, setup: "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC WITH m AS (MERGE INTO plain p USING other o ON o.id = p.id WHEN MATCHED AND p.id <= 4 THEN DELETE RETURNING 1) SELECT count(*) FROM m; END", sql: []string{"SELECT f()"}},
	{name: "JSON_TABLE in a DELETE", since: 17, sql: []string{"DELETE FROM plain WHERE id IN (SELECT x FROM JSON_TABLE('[1, 2, 3, 4]', '$[*]' COLUMNS (x int PATH '$')))"}},
	{name: "JSON_EXISTS in a DELETE", since: 17, sql: []string{"DELETE FROM orders WHERE JSON_EXISTS('{\"a\": 1}'::jsonb, '$.a' TRUE ON ERROR) AND id <= 2"}},

	{name: "REINDEX fires an event trigger", since: 17, setup: "CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM purge(4); END'; CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION ev()", sql: []string{"REINDEX TABLE plain"}},

	{name: "RETURNING old and new", since: 18, sql: []string{"DELETE FROM plain WHERE id <= 4 RETURNING old.id, new.id"}},
	{name: "RETURNING old and new of what cascades", since: 18, sql: []string{"DELETE FROM orders WHERE id <= 2 RETURNING old.id, new.id, id"}},
	{name: "RETURNING old.*", since: 18, sql: []string{"DELETE FROM orders o WHERE id <= 2 RETURNING old.*, new"}},
	{name: "RETURNING WITH", since: 18, sql: []string{"DELETE FROM orders WHERE id <= 2 RETURNING WITH (OLD AS was) was.id"}},
	{name: "a table called old", since: 18, setup: "CREATE TABLE old (id int PRIMARY KEY); INSERT INTO old SELECT generate_series(1, 4)", sql: []string{"DELETE FROM old RETURNING old.id, id"}, keys: true},
	{name: "UPDATE RETURNING old inside a DELETE", since: 18, sql: []string{"WITH u AS (UPDATE other SET v = 9 WHERE id <= 3 RETURNING old.id) DELETE FROM plain USING u WHERE u.id = plain.id"}},
	{name: "virtual generated columns", since: 18, setup: "CREATE TABLE vg (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) VIRTUAL); INSERT INTO vg SELECT i, i FROM generate_series(1, 5) i", sql: []string{"DELETE FROM vg WHERE twice > 4 RETURNING *"}, keys: true},
	{name: "what periods refer to", since: 18, setup: periods, sql: []string{"BEGIN", "DELETE FROM stay WHERE room = 2", "DELETE FROM price WHERE room = 2 RETURNING during", "COMMIT"}, keys: true},
	{name: "refused by a period", since: 18, setup: periods, sql: []string{"DELETE FROM stay WHERE id = 1", "DELETE FROM price"}},
	{name: "NOT ENFORCED cascades nowhere", since: 18, setup: "CREATE TABLE ne (id int PRIMARY KEY, p int REFERENCES plain ON DELETE CASCADE NOT ENFORCED); INSERT INTO ne SELECT i, i FROM generate_series(1, 9) i", sql: []string{"DELETE FROM plain WHERE id <= 4"}, keys: true},
	{name: "a NOT NULL that is not valid", since: 18, setup: "CREATE TABLE nv (id int UNIQUE, v int); INSERT INTO nv VALUES (NULL, 1), (NULL, 2), (3, 3); ALTER TABLE nv ADD CONSTRAINT later NOT NULL id NOT VALID", sql: []string{"DELETE FROM nv"}},
}

const periods = `CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE TABLE price (room int, during daterange, PRIMARY KEY (room, during WITHOUT OVERLAPS));
	CREATE TABLE stay (id int PRIMARY KEY, room int, during daterange, FOREIGN KEY (room, PERIOD during) REFERENCES price (room, PERIOD during));
	INSERT INTO price SELECT r, daterange(d::date, d::date + 10) FROM generate_series(1, 2) r, generate_series('2026-01-01', '2026-02-01', interval '10 days') d;
	INSERT INTO stay SELECT i, 1 + i % 2, daterange('2026-01-05'::date + i, '2026-01-12'::date + i) FROM generate_series(1, 4) i`
