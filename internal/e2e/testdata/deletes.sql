\set VERBOSITY verbose
CREATE TABLE parent (id int PRIMARY KEY, v text);
CREATE TABLE child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE);
CREATE TABLE strict (parent_id int REFERENCES parent);
CREATE TABLE heap (v int);
CREATE VIEW seen AS SELECT * FROM parent;
INSERT INTO parent SELECT n, 'v' || n FROM generate_series(1, 200) n;
INSERT INTO child (parent_id) SELECT n % 200 + 1 FROM generate_series(1, 800) n;
INSERT INTO strict VALUES (50);
INSERT INTO heap SELECT n % 3 FROM generate_series(1, 9) n;

\echo == what the client is told
DELETE FROM parent WHERE id = 1;
\echo :ROW_COUNT :SQLSTATE
DELETE FROM parent WHERE id = 1;
DELETE FROM parent WHERE id = 2 RETURNING id, v, v || '!' AS louder, id + 1;
DELETE FROM parent p USING child c WHERE c.parent_id = p.id AND p.id = 3 RETURNING p.*, c.parent_id;
DELETE FROM ONLY parent AS q WHERE q.id BETWEEN 4 AND 5;
WITH gone AS (DELETE FROM parent WHERE id = 6 RETURNING *) SELECT count(*), max(v) FROM gone;
WITH few AS (SELECT 7 AS id) DELETE FROM parent USING few WHERE parent.id = few.id RETURNING parent.id;
DELETE FROM parent WHERE id IN (SELECT id FROM parent ORDER BY id LIMIT 2) RETURNING id;
DELETE FROM heap WHERE v = 0;
DELETE FROM heap WHERE v = 1 RETURNING v, ctid IS NOT NULL AS placed, tableoid::regclass;
DELETE FROM seen WHERE id = 10 RETURNING *;
/* a comment */ delete -- another
from "parent" where "id" = 11;
DELETE FROM parent WHERE id = 12 RETURNING id \gset gone_
\echo :gone_id
DELETE FROM parent WHERE id = 13 \; DELETE FROM parent WHERE id = 14 \; SELECT count(*) FROM parent;
SELECT 1 \; DELETE FROM parent WHERE id = 15 RETURNING id \; SELECT 2;

\echo == errors and where they are
DELETE FROM parent WHERE id = 50;
DELETE FROM parent WHERE nothing = 1;
DELETE FROM parent
	WHERE id = 20
	RETURNING id, nothing;
DELETE FROM nowhere;
DELETE parent;
DELETE FROM parent WHERE id = 'abc';
DELETE FROM parent WHERE 1/(id - 200) = 0;
DELETE FROM seen WHERE 'ä' = nothing;
WITH x AS (DELETE FROM parent WHERE nothing) SELECT 1;
DELETE FROM parent WHERE id = $1;
DELETE FROM parent WHERE id = 21 \; DELETE FROM parent WHERE id = 50 \; SELECT 'not reached';
SELECT count(*) FROM parent WHERE id = 21;

\echo == transactions
BEGIN;
DELETE FROM parent WHERE id = 30;
SAVEPOINT s;
DELETE FROM parent WHERE id = 50;
ROLLBACK TO s;
DELETE FROM parent WHERE id = 31 RETURNING id;
ROLLBACK TO s;
RELEASE s;
COMMIT;
SELECT id FROM parent WHERE id IN (30, 31);
BEGIN;
DELETE FROM parent WHERE nothing = 1;
DELETE FROM parent WHERE id = 32;
COMMIT;
BEGIN;
DELETE FROM parent WHERE id = 33;
ROLLBACK;
BEGIN;
DELETE FROM parent WHERE id = 34;
COMMIT AND CHAIN;
DELETE FROM parent WHERE id = 35;
ROLLBACK AND CHAIN;
COMMIT;
START TRANSACTION READ ONLY;
DELETE FROM parent WHERE id = 36;
END;
BEGIN;
DELETE FROM parent WHERE id = 37;
PREPARE TRANSACTION 'deletes';
COMMIT PREPARED 'deletes';
SELECT id FROM parent WHERE id BETWEEN 30 AND 40 ORDER BY id;

\echo == prepared, cursors, functions
PREPARE d (int) AS DELETE FROM parent WHERE id = $1 RETURNING v;
EXECUTE d (60);
EXECUTE d (60);
EXECUTE d ('x');
DEALLOCATE d;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM parent WHERE id > 60 ORDER BY id;
FETCH c;
DELETE FROM parent WHERE CURRENT OF c;
FETCH c;
COMMIT;
CREATE FUNCTION gone(i int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int; BEGIN DELETE FROM parent WHERE id = i; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END $$;
SELECT gone(70), gone(70);
DO $$ BEGIN DELETE FROM parent WHERE id = 71; RAISE NOTICE 'found %', FOUND; END $$;
CREATE PROCEDURE away(i int) LANGUAGE sql AS 'DELETE FROM parent WHERE id = i';
CALL away(72);
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row % leaves', OLD.id; RETURN OLD; END $$;
CREATE TRIGGER told BEFORE DELETE ON parent FOR EACH ROW EXECUTE FUNCTION told();
DELETE FROM parent WHERE id BETWEEN 80 AND 82 RETURNING id;
MERGE INTO parent USING (VALUES (83)) AS s (id) ON parent.id = s.id WHEN MATCHED THEN DELETE;
INSERT INTO child (parent_id) VALUES (90);
DELETE FROM parent WHERE id = 91;
SELECT lastval() > 800;
EXPLAIN (COSTS OFF) DELETE FROM heap WHERE v = 2;
TRUNCATE heap;
TRUNCATE parent;
TRUNCATE nowhere;
DROP TABLE strict;
DROP TABLE nowhere;
DROP TABLE IF EXISTS nowhere;
CREATE TEMP TABLE own (i int PRIMARY KEY) ON COMMIT DROP;
BEGIN;
CREATE TEMP TABLE own AS SELECT n AS i FROM generate_series(1, 5000) n;
DELETE FROM own WHERE i < 3;
COMMIT;
SELECT count(*), sum(id) FROM parent;
SELECT count(*), sum(parent_id) FROM child;
SELECT locktype FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation::regclass::text NOT LIKE 'pg_%';
SELECT name FROM pg_prepared_statements;
SELECT name FROM pg_cursors;
SELECT name, setting FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding') ORDER BY 1;

\echo == how psql sends it
CREATE TABLE ways (id int PRIMARY KEY, v text);
INSERT INTO ways SELECT n, 'w' || n FROM generate_series(1, 100) n;
DELETE FROM ways WHERE id = 1 RETURNING id, v \gdesc
DELETE FROM ways WHERE id = 2 RETURNING id, v \gx
\set FETCH_COUNT 3
DELETE FROM ways WHERE id BETWEEN 10 AND 19 RETURNING id;
SELECT id FROM ways WHERE id > 95 ORDER BY id;
\unset FETCH_COUNT
SELECT format('DELETE FROM ways WHERE id = %s RETURNING id', n) FROM generate_series(20, 24) n \gexec
\copy (DELETE FROM ways WHERE id = 30 RETURNING id, v) TO STDOUT WITH CSV
\set ON_ERROR_ROLLBACK on
BEGIN;
DELETE FROM ways WHERE id = 40;
DELETE FROM ways WHERE nothing = 1;
DELETE FROM ways WHERE id = 41;
COMMIT;
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT off
DELETE FROM ways WHERE id = 50;
ROLLBACK;
DELETE FROM ways WHERE id = 51;
COMMIT;
\set AUTOCOMMIT on
SELECT count(*), sum(id) FROM ways;
DELETE FROM ways WHERE id = (SELECT min(id) FROM ways WHERE id > 95) AND 1 / (SELECT count(*) FROM ways WHERE id > 95) < 2 RETURNING id \watch 0.01
SELECT count(*), sum(id) FROM ways;
