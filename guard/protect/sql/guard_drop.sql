CREATE OR REPLACE FUNCTION rowback.guard_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off SET plan_cache_mode = force_generic_plan AS $rowback$
-- Tables that are being dropped are out of the catalog already: their triggers, dropped
-- with them, tell whether they were guarded, and only the statistics how many rows they held.
DECLARE
	rowback_table record;
BEGIN
	IF to_regclass('rowback.evidence') IS NULL OR rowback.guard_ticket() THEN
		RETURN;
	END IF;
	FOR rowback_table IN
		SELECT t.objid, t.address_names[1] AS schema_name, t.address_names[2] AS table_name, g.address_names[3] = 'rowback_block' AS block,
			GREATEST(pg_stat_get_live_tuples(t.objid), 0) AS n
		FROM pg_event_trigger_dropped_objects() t
		JOIN pg_event_trigger_dropped_objects() g ON g.object_type = 'trigger' AND g.address_names[:2] = t.address_names
		WHERE t.object_type = 'table' AND g.address_names[3] IN ('rowback_block', 'rowback_alert')
		ORDER BY t.address_names
	LOOP
		IF rowback_table.block AND COALESCE(current_setting('rowback.allow_drop', true), '') NOT IN ('on', 'true', 'yes', '1') THEN
			RAISE EXCEPTION USING ERRCODE = 'RB001',
				MESSAGE = concat(TG_TAG, ' would remove table ', rowback_table.schema_name, '.', rowback_table.table_name,
					', which rowback guards, with about ', rowback_table.n, ' rows'),
				DETAIL = 'Nothing was removed. The number is an estimate: the rows of a table that is being dropped cannot be counted.',
				HINT = 'Drop it through rowback''s proxy, or, if it is meant: SET LOCAL rowback.allow_drop = on, in the same transaction.';
		END IF;
		INSERT INTO rowback.evidence (xid, started, at, run, relid, schema_name, table_name, op, via, removed, total, why, query, username, application, client)
		SELECT pg_current_xact_id(), now(), clock_timestamp(), :run, rowback_table.objid, rowback_table.schema_name, rowback_table.table_name, TG_TAG, 'drop', rowback_table.n,
			COALESCE((SELECT e.total FROM rowback.evidence e WHERE e.xid = pg_current_xact_id() ORDER BY e.id DESC LIMIT 1), 0),
			'the table was dropped; the number is an estimate', left(current_query(), 65536), session_user, current_setting('application_name'),
			CASE WHEN inet_client_addr() IS NULL THEN 'local'
				WHEN family(inet_client_addr()) = 6 THEN concat('[', host(inet_client_addr()), ']:', inet_client_port())
				ELSE concat(host(inet_client_addr()), ':', inet_client_port()) END;
	END LOOP;
END
$rowback$
