-- Each way in which a statement over the threshold is sent; then ones within it.
\set VERBOSITY sqlstate
DELETE FROM parent WHERE id <= 600;
\echo :SQLSTATE :ROW_COUNT :ERROR
DELETE FROM parent WHERE id <= 600 RETURNING id \gset
DELETE FROM child WHERE parent_id = 601 \; DELETE FROM parent WHERE id <= 600 \; SELECT 'not reached';
SELECT 'DELETE FROM parent WHERE id <= 600' \gexec
WITH gone AS (DELETE FROM parent WHERE id <= 600 RETURNING id) SELECT count(*) FROM gone;
PREPARE many AS DELETE FROM parent WHERE id <= $1;
EXECUTE many (600);
COPY (DELETE FROM parent WHERE id <= 600 RETURNING id) TO STDOUT \g /dev/null
\set AUTOCOMMIT off
DELETE FROM parent WHERE id <= 600;
SELECT 1;
ROLLBACK;
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK on
BEGIN;
DELETE FROM parent WHERE id = 602;
DELETE FROM parent WHERE id <= 600;
SELECT 'goes on';
COMMIT;
SELECT count(*), (SELECT count(*) FROM child) FROM parent;
DELETE FROM parent WHERE id <= 3;
