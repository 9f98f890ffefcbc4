CREATE OR REPLACE FUNCTION rowback.guard_verdict(rowback_relid oid, rowback_op text) RETURNS void
LANGUAGE plpgsql AS $rowback$
-- A statement has ended: judges, once nothing is under way any more.
DECLARE
	rowback_mark bigint := rowback.guard_mark();
	rowback_last rowback.evidence;
BEGIN
	IF NOT rowback.guard_leave(rowback_relid) THEN
		RETURN;
	END IF;
	SELECT e.* INTO rowback_last FROM rowback.evidence e WHERE e.xid = pg_current_xact_id_if_assigned() ORDER BY e.id DESC LIMIT 1;
	IF rowback_last.refuse IS NOT NULL THEN
		PERFORM rowback.guard_refuse(rowback_op, rowback_last.refuse, rowback_mark);
	ELSIF rowback_last.alerted IS NOT NULL AND rowback_last.id > rowback_mark THEN
		RAISE LOG USING ERRCODE = 'RB001', MESSAGE = rowback.guard_over(rowback_op, rowback_last.alerted, rowback_mark, 'removed', 'brought');
	END IF;
END
$rowback$
