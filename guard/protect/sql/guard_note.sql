CREATE OR REPLACE FUNCTION rowback.guard_note(rowback_relid oid, rowback_op text, rowback_n bigint, rowback_limit bigint, rowback_mode text, rowback_columns text, rowback_shape text, rowback_attnums smallint[], rowback_why text) RETURNS bigint
LANGUAGE plpgsql AS $rowback$
-- Records removed rows. Returns the record's id if their keys are to follow.
-- rowback_columns: the key as the journal has it, NULL for none; rowback_why: why none.
-- rowback_shape: what pg_attribute says of rowback_attnums; see shape in shape.go.
DECLARE
	rowback_last rowback.evidence;
	rowback_total bigint;
	rowback_refuse bigint;
	rowback_alerted bigint;
	rowback_via text := 'direct';
	rowback_id bigint;
BEGIN
	IF rowback_n = 0 THEN
		RETURN NULL;
	END IF;
	SELECT e.* INTO rowback_last FROM rowback.evidence e WHERE e.xid = pg_current_xact_id() ORDER BY e.id DESC LIMIT 1;
	rowback_total := COALESCE(rowback_last.total, 0) + rowback_n;
	rowback_refuse := rowback_last.refuse;
	rowback_alerted := rowback_last.alerted;
	IF rowback_total > rowback_limit AND rowback_mode = 'block' THEN
		rowback_refuse := LEAST(rowback_refuse, rowback_limit);
	ELSIF rowback_total > rowback_limit THEN
		rowback_alerted := LEAST(rowback_alerted, rowback_limit);
	END IF;
	IF rowback_op = 'TRUNCATE' THEN
		rowback_via := 'truncate';
	ELSIF rowback_op LIKE 'DROP%' THEN
		rowback_via := 'drop';
	ELSIF rowback.guard_depth(rowback_relid) > 1 THEN
		rowback_via := CASE WHEN EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = rowback_relid AND k.contype = 'f' AND k.confdeltype = 'c')
			THEN 'cascade' ELSE 'function' END;
	END IF;
	rowback_why := CASE
		WHEN rowback_why IS NOT NULL THEN rowback_why
		WHEN rowback_shape IS DISTINCT FROM (
			SELECT string_agg(CASE WHEN a.attnum = ANY (rowback_attnums) THEN concat_ws(' ', a.attnum, a.attname, n.nspname, t.typname) ELSE a.attnum::text END, ',' ORDER BY a.attnum)
			FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
			WHERE a.attrelid = rowback_relid AND a.attnum >= 1 AND a.attnum <= (SELECT max(u) FROM unnest(rowback_attnums) u) AND NOT a.attisdropped)
			THEN 'its key columns have changed since rowback protect install'
		WHEN rowback_op = 'DELETE' AND EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE i.inhparent = rowback_relid AND c.relkind <> 'p')
			THEN 'other tables inherit from it, and nothing tells which of them held the rows'
		WHEN rowback_refuse IS NOT NULL THEN 'refused'
		WHEN rowback_op = 'TRUNCATE' AND rowback_total > rowback_limit THEN 'over the limit: keys of a TRUNCATE are kept up to it'
	END;
	INSERT INTO rowback.evidence (xid, started, at, run, relid, schema_name, table_name, op, via, removed, total, key_columns, why, refuse, alerted,
		query, username, application, client)
	SELECT pg_current_xact_id(), now(), clock_timestamp(), :run, c.oid, n.nspname, c.relname, rowback_op, rowback_via, rowback_n, rowback_total,
		CASE WHEN rowback_why IS NULL THEN rowback_columns END, rowback_why, rowback_refuse, rowback_alerted,
		CASE WHEN COALESCE(rowback_last.id, 0) <= rowback.guard_mark() THEN left(current_query(), 65536) END,
		session_user, current_setting('application_name'),
		CASE WHEN inet_client_addr() IS NULL THEN 'local'
			WHEN family(inet_client_addr()) = 6 THEN concat('[', host(inet_client_addr()), ']:', inet_client_port())
			ELSE concat(host(inet_client_addr()), ':', inet_client_port()) END
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.oid = COALESCE(pg_partition_root(rowback_relid), rowback_relid)
	RETURNING id INTO rowback_id;
	RETURN CASE WHEN rowback_why IS NULL THEN rowback_id END;
END
$rowback$
