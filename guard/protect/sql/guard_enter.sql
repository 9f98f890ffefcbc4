CREATE OR REPLACE FUNCTION rowback.guard_enter(rowback_relid oid, rowback_depth integer) RETURNS void
LANGUAGE plpgsql AS $rowback$
-- A statement begins. The setting rowback.open is "mark relid:depth relid:depth …":
-- the last record before the client's statement, and the tables under way.
DECLARE
	rowback_open text := COALESCE(current_setting('rowback.open', true), '');
BEGIN
	IF rowback_open !~ '^[0-9]{1,18}( [0-9]{1,10}:[0-9]{1,4})+$' THEN
		rowback_open := COALESCE((SELECT max(e.id) FROM rowback.evidence e WHERE e.xid = pg_current_xact_id_if_assigned()), 0)::text;
	END IF;
	PERFORM set_config('rowback.open', concat(rowback_open, ' ', rowback_relid, ':', rowback_depth), true);
END
$rowback$
