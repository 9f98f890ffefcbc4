CREATE OR REPLACE FUNCTION rowback.guard_mark() RETURNS bigint
LANGUAGE plpgsql AS $rowback$
-- The last record before the client's statement.
BEGIN
	RETURN COALESCE(substring(current_setting('rowback.open', true) FROM '^[0-9]{1,18}')::int8, 0);
END
$rowback$
