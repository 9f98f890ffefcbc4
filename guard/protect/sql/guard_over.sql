CREATE OR REPLACE FUNCTION rowback.guard_over(rowback_op text, rowback_limit bigint, rowback_mark bigint, rowback_statement text, rowback_transaction text) RETURNS text
LANGUAGE plpgsql AS $rowback$
-- What broke the limit, the statement or the transaction, in the proxy's words.
BEGIN
	IF (SELECT sum(e.removed) FROM rowback.evidence e WHERE e.xid = pg_current_xact_id() AND e.id > rowback_mark) > rowback_limit THEN
		RETURN concat(rowback_op, ' ', rowback_statement, ' ', rowback.guard_text(rowback_mark), ', limit ', rowback_limit);
	END IF;
	RETURN concat(rowback_op, ' ', rowback_transaction, ' the rows removed by this transaction to ', rowback.guard_text(0), ', limit ', rowback_limit);
END
$rowback$
