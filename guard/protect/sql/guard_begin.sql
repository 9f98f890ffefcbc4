CREATE OR REPLACE FUNCTION rowback.guard_begin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off SET plan_cache_mode = force_generic_plan AS $rowback$
-- BEFORE DELETE.
BEGIN
	IF NOT rowback.guard_ticket() THEN
		PERFORM rowback.guard_enter(TG_RELID, pg_trigger_depth());
	END IF;
	RETURN NULL;
END
$rowback$
