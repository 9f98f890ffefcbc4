\set VERBOSITY verbose
\echo == queries, types, several in one
SELECT 1 AS one, 'zwei'::text AS two, NULL::int AS three, ARRAY[1.5,2] AS four, '{"a": [1]}'::jsonb AS five;
SELECT 1 \; SELECT 2 \; SELECT 'three';
SELECT repeat('x', 20000) AS long \gset
SELECT length(:'long');
SELECT 7 AS seven, 'it''s' AS quoted \gset my_
\echo :my_seven :'my_quoted'
SELECT format('SELECT %s AS n', n) FROM generate_series(1, 3) n \gexec
SELECT * FROM generate_series(1, 20000) n WHERE n % 4999 = 0;
SELECT md5(string_agg(repeat(n::text, 20), ',')) FROM generate_series(1, 50000) n;
;

\echo == tables, notices
CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, v text);
CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 100) n;
DO $$ BEGIN RAISE NOTICE 'noticed % %', 1, 'ä'; RAISE WARNING 'warned' USING HINT = 'hint', DETAIL = 'detail'; END $$;
\d t
\dt

\echo == errors and where they are
SELECT * FROM nowhere;
SELECT 1 +
	wrong_column
FROM t;
SELEC 1;
SELECT 1/0;
INSERT INTO t VALUES (1, 'again');
SELECT 'ä' || 1 || ungültig FROM t;
\errverbose
SELECT 1 \; SELECT 1/0 \; SELECT 2;
\echo :ERROR :SQLSTATE :LAST_ERROR_MESSAGE

\echo == transactions
BEGIN;
INSERT INTO t VALUES (101, 'in a transaction');
SAVEPOINT s;
INSERT INTO t VALUES (101, 'again');
ROLLBACK TO s;
UPDATE t SET v = 'updated' WHERE id = 101 RETURNING *;
RELEASE s;
COMMIT;
BEGIN;
SELECT 1/0;
SELECT 1;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
INSERT INTO t VALUES (102, 'read only');
ROLLBACK;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT 'goes on';
COMMIT;
COMMIT;
\set ON_ERROR_ROLLBACK off
BEGIN \; INSERT INTO t VALUES (103, 'implicit block') \; SELECT 1/0;
SELECT * FROM t WHERE id = 103;
ROLLBACK;
\set AUTOCOMMIT off
INSERT INTO t VALUES (104, 'autocommit off');
ROLLBACK;
\set AUTOCOMMIT on
SELECT count(*) FROM t;

\echo == prepared statements, cursors, chunks
PREPARE p (int) AS SELECT v FROM t WHERE id = $1;
EXECUTE p (7);
EXECUTE p ('seven');
DEALLOCATE p;
EXECUTE p (7);
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM t ORDER BY id;
FETCH 3 FROM c;
MOVE FORWARD 10 IN c;
FETCH BACKWARD 2 FROM c;
CLOSE c;
FETCH c;
ROLLBACK;
\set FETCH_COUNT 30
SELECT id FROM t WHERE id > 90 ORDER BY id;
\unset FETCH_COUNT

\echo == copy
COPY t (id, v) FROM STDIN WITH (FORMAT csv);
201,"quoted, with comma"
202,
203,ü
\.
\copy (SELECT * FROM t WHERE id > 200 ORDER BY id) TO STDOUT WITH CSV HEADER
COPY t FROM STDIN;
nonsense
\.
COPY (SELECT 1/(3 - n) FROM generate_series(1, 5) n) TO STDOUT;
COPY t TO STDOUT \; SELECT 'after copy';
SELECT count(*) FROM t;

\echo == settings and the rest
SET application_name = 'renamed';
SHOW application_name;
SET client_encoding = 'LATIN1';
SELECT 'ab';
RESET client_encoding;
SET search_path = nowhere, public;
SELECT count(*) FROM t;
DISCARD ALL;
SHOW search_path;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE id = 1;
\gdesc
SELECT 1 AS i, now() AS t \gdesc
LISTEN ch;
SELECT pg_notify('ch', 'payload');
NOTIFY ch;
UNLISTEN *;
SELECT n, n * 2 AS d, 'x' FROM generate_series(1, 2) n \crosstabview
\lo_list
