CREATE OR REPLACE FUNCTION rowback.guard_end() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off SET plan_cache_mode = force_generic_plan AS $rowback$
-- AFTER TRUNCATE: all tables of the statement have been counted.
BEGIN
	IF NOT rowback.guard_ticket() THEN
		PERFORM rowback.guard_verdict(TG_RELID, TG_OP);
	END IF;
	RETURN NULL;
END
$rowback$
