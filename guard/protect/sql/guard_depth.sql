CREATE OR REPLACE FUNCTION rowback.guard_depth(rowback_relid oid) RETURNS integer
LANGUAGE plpgsql AS $rowback$
-- How deep in triggers the table's statement began: 1 for a client's own, NULL if it is not under way.
BEGIN
	RETURN substring(current_setting('rowback.open', true) FROM concat('.* ', rowback_relid, ':([0-9]{1,4})'))::int4;
END
$rowback$
