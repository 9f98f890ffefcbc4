-- psql --single-transaction
DELETE FROM ones WHERE id = 1;
DELETE FROM ones WHERE id BETWEEN 2 AND 4 RETURNING id;
\copy (SELECT id FROM ones ORDER BY id LIMIT 2) TO STDOUT
DELETE FROM ones WHERE id = 5 \; SELECT count(*) FROM ones \; DELETE FROM ones WHERE id = 6 RETURNING id;
COMMIT;
DELETE FROM ones WHERE id = 7;
SELECT count(*), sum(id) FROM ones;
BEGIN;
DELETE FROM ones WHERE id = 8;
DELETE FROM nothing;
DELETE FROM ones WHERE id = 9;
