CREATE OR REPLACE FUNCTION rowback.guard_link(rowback_relid oid, rowback_via text, rowback_columns text, rowback_shape text, rowback_attnums smallint[], rowback_why text) RETURNS bigint
LANGUAGE plpgsql AS $rowback$
-- A DELETE has cut the link of a row that stays. Returns the record that its key
-- goes to, NULL if it has none. A record is for many links, and not for a
-- statement: several foreign keys take turns. The rest as in guard_note.
DECLARE
	rowback_root oid := COALESCE(pg_partition_root(rowback_relid), rowback_relid);
	rowback_last rowback.evidence;
	rowback_id bigint;
BEGIN
	IF rowback_why IS NULL AND rowback_shape IS DISTINCT FROM (
		SELECT string_agg(CASE WHEN a.attnum = ANY (rowback_attnums) THEN concat_ws(' ', a.attnum, a.attname, n.nspname, t.typname) ELSE a.attnum::text END, ',' ORDER BY a.attnum)
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
		WHERE a.attrelid = rowback_relid AND a.attnum >= 1 AND a.attnum <= (SELECT max(u) FROM unnest(rowback_attnums) u) AND NOT a.attisdropped)
	THEN
		rowback_why := 'its key columns have changed since rowback protect install';
	END IF;
	IF rowback_why IS NOT NULL THEN
		rowback_columns := NULL;
	END IF;
	SELECT p.id INTO rowback_id
	FROM (SELECT e.id, e.relid, e.via, e.key_columns FROM rowback.evidence e WHERE e.xid = pg_current_xact_id() ORDER BY e.id DESC LIMIT 16) p
	WHERE p.relid = rowback_root AND p.via = rowback_via AND p.key_columns IS NOT DISTINCT FROM rowback_columns LIMIT 1;
	IF rowback_id IS NULL THEN
		SELECT e.* INTO rowback_last FROM rowback.evidence e WHERE e.xid = pg_current_xact_id() ORDER BY e.id DESC LIMIT 1;
		INSERT INTO rowback.evidence (xid, started, at, run, relid, schema_name, table_name, op, via, removed, total, key_columns, why, refuse, alerted,
			query, username, application, client)
		SELECT pg_current_xact_id(), now(), clock_timestamp(), :run, c.oid, n.nspname, c.relname, 'DELETE', rowback_via, 0, COALESCE(rowback_last.total, 0),
			rowback_columns, rowback_why, rowback_last.refuse, rowback_last.alerted,
			CASE WHEN COALESCE(rowback_last.id, 0) <= rowback.guard_mark() THEN left(current_query(), 65536) END,
			session_user, current_setting('application_name'),
			CASE WHEN inet_client_addr() IS NULL THEN 'local'
				WHEN family(inet_client_addr()) = 6 THEN concat('[', host(inet_client_addr()), ']:', inet_client_port())
				ELSE concat(host(inet_client_addr()), ':', inet_client_port()) END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = rowback_root
		RETURNING id INTO rowback_id;
	END IF;
	IF rowback_why IS NOT NULL THEN
		INSERT INTO rowback.evidence_key (evidence, keys) VALUES (rowback_id, '{}'); -- it is counted
		RETURN NULL;
	END IF;
	RETURN rowback_id;
END
$rowback$
