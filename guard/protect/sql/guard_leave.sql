CREATE OR REPLACE FUNCTION rowback.guard_leave(rowback_relid oid) RETURNS boolean
LANGUAGE plpgsql AS $rowback$
-- A statement ends. Whether nothing is under way any more.
DECLARE
	rowback_open text[] := COALESCE(string_to_array(current_setting('rowback.open', true), ' '), '{}');
BEGIN
	FOR rowback_i IN REVERSE cardinality(rowback_open) .. 2 LOOP
		IF split_part(rowback_open[rowback_i], ':', 1) = rowback_relid::text THEN
			rowback_open := rowback_open[:rowback_i - 1] || rowback_open[rowback_i + 1:];
			EXIT;
		END IF;
	END LOOP;
	PERFORM set_config('rowback.open', CASE WHEN cardinality(rowback_open) >= 2 THEN array_to_string(rowback_open, ' ') ELSE '' END, true);
	RETURN cardinality(rowback_open) < 2;
END
$rowback$
