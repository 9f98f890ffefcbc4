CREATE OR REPLACE FUNCTION rowback.guard_net() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off SET plan_cache_mode = force_generic_plan AS $rowback$
-- At COMMIT, for a record over the limit whose statement was not judged: a client
-- had changed rowback.open, or one of a table's triggers was disabled.
BEGIN
	PERFORM rowback.guard_refuse(NEW.op, NEW.refuse, 0);
	RETURN NULL;
END
$rowback$
