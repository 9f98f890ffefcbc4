CREATE OR REPLACE FUNCTION rowback.guard_uncountable(rowback_relid oid, rowback_mode text) RETURNS void
LANGUAGE plpgsql AS $rowback$
-- A TRUNCATE of a table that has another name than at rowback protect install, so
-- that its rows cannot be counted.
BEGIN
	IF rowback_mode = 'block' THEN
		RAISE EXCEPTION USING ERRCODE = 'RB001',
			MESSAGE = concat('TRUNCATE would remove the rows of ', (SELECT c.relname FROM pg_class c WHERE c.oid = rowback_relid), ', and they cannot be counted: the table was renamed'),
			DETAIL = 'Nothing was removed. This came from the triggers of rowback protect, not from the proxy.',
			HINT = 'Ask an operator to run "rowback protect install" again.';
	END IF;
	PERFORM rowback.guard_note(rowback_relid, 'TRUNCATE', (SELECT GREATEST(c.reltuples, pg_stat_get_live_tuples(c.oid), 1)::int8 FROM pg_class c WHERE c.oid = rowback_relid),
		9223372036854775807, rowback_mode, NULL, NULL, NULL, 'the table was renamed since rowback protect install; the number is an estimate');
END
$rowback$
