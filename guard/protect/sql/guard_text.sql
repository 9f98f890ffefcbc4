CREATE OR REPLACE FUNCTION rowback.guard_text(rowback_mark bigint) RETURNS text
LANGUAGE plpgsql AS $rowback$
-- What this transaction has removed since a record: "50382 rows (orders 1237, payments 8642)".
BEGIN
	RETURN (
		SELECT concat(sum(t.n), CASE WHEN sum(t.n) = 1 THEN ' row (' ELSE ' rows (' END,
			string_agg(CASE WHEN t.place <= 12 THEN concat(t.shown, ' ', t.n) END, ', ' ORDER BY t.place),
			CASE WHEN max(t.place) > 12 THEN concat(', and ', max(t.place) - 12, ' more tables') END, ')')
		FROM (
			SELECT e.shown, sum(e.removed) AS n, row_number() OVER (ORDER BY min(e.id)) AS place
			FROM (
				SELECT v.id, v.removed, CASE WHEN v.schema_name = 'public' THEN v.table_name ELSE concat(v.schema_name, '.', v.table_name) END AS shown
				FROM rowback.evidence v WHERE v.xid = pg_current_xact_id() AND v.id > rowback_mark AND v.via NOT IN ('set_null', 'set_default')) e
			GROUP BY e.shown) t);
END
$rowback$
