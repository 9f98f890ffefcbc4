package catalog

import "testing"

// What a function may set of what names mean, by itself or by what it calls.
func TestReach_Renames(t *testing.T) {
	conn := database(t, `
		CREATE FUNCTION tenant(s text) RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('search_path', s, true); END$$;
		CREATE FUNCTION called(s text) RETURNS void LANGUAGE sql AS 'SELECT tenant(s)';
		CREATE FUNCTION becomes(r text) RETURNS text LANGUAGE sql AS $$SELECT set_config('role', r, true)$$;
		CREATE FUNCTION sets() RETURNS void LANGUAGE plpgsql AS $$BEGIN SET LOCAL search_path = a; END$$;
		CREATE FUNCTION resets() RETURNS void LANGUAGE plpgsql AS $$BEGIN RESET ROLE; END$$;
		CREATE FUNCTION session() RETURNS void LANGUAGE plpgsql AS $$BEGIN SET SESSION AUTHORIZATION DEFAULT; END$$;
		CREATE FUNCTION runs(s text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE format('SET search_path = %I', s); END$$;
		CREATE LANGUAGE other HANDLER plpgsql_call_handler;
		CREATE FUNCTION unknown() RETURNS void LANGUAGE other AS $$BEGIN SET search_path = a; END$$;
		CREATE VIEW viewed AS SELECT becomes('a');
		CREATE FUNCTION personal(v text) RETURNS text LANGUAGE sql AS $$SELECT set_config('app.user_role', v, true)$$;
		CREATE FUNCTION pieces(v text) RETURNS text LANGUAGE sql AS $$SELECT set_config(lower('SEARCH_PATH'), v, true)$$;
		CREATE FUNCTION variable(v text) RETURNS text LANGUAGE sql AS $$SELECT set_config('app.tenant', v, true)$$;
		CREATE FUNCTION own() RETURNS int LANGUAGE sql SET search_path = a AS 'SELECT 1';
		CREATE TABLE roles (name text); CREATE TABLE inbox (tenant text);
		CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM tenant(NEW.tenant); RETURN NEW; END$$;
		CREATE TRIGGER moves BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION moves();
		CREATE FUNCTION leaves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM tenant(OLD.tenant); RETURN OLD; END$$;
		CREATE TABLE outbox (tenant text); CREATE TRIGGER leaves BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION leaves(); CREATE VIEW seen AS SELECT * FROM outbox;
		CREATE TABLE top (id int PRIMARY KEY, of int REFERENCES top); CREATE TABLE deep (id int REFERENCES top ON DELETE CASCADE); CREATE TABLE deeper (tenant text) INHERITS (deep);
		CREATE TRIGGER leaves AFTER DELETE ON deeper FOR EACH ROW EXECUTE FUNCTION leaves(); CREATE TABLE aside (id int REFERENCES top ON DELETE NO ACTION);
		CREATE FUNCTION clears() RETURNS void LANGUAGE sql AS 'DELETE FROM outbox';
		CREATE FUNCTION writes() RETURNS void LANGUAGE sql AS $$UPDATE roles SET name = 'role'$$;`)
	s := load(t, conn)
	for name, may := range map[string]bool{"tenant": true, "called": true, "becomes": true, "sets": true, "resets": true, "session": true, "runs": true, "unknown": true, "viewed": true, "inbox": true, "pieces": true, "clears": true, "outbox": false,
		"variable": false, "personal": false, "own": false, "writes": false} {
		if _, ok := s.Reach.Renames[name]; ok != may {
			t.Errorf("%s: Renames has it: %v", name, ok)
		}
		if _, ok := s.Reach.RenamesReads[name]; ok != (may && name != "inbox") {
			t.Errorf("%s: RenamesReads has it: %v", name, ok)
		}
	}
	for name, may := range map[string]bool{"outbox": true, "seen": true, "top": true, "deep": true, "deeper": true, "aside": false, "inbox": false, "roles": false} {
		if _, ok := s.Reach.RenamesRemovals[name]; ok != may {
			t.Errorf("%s: RenamesRemovals has it: %v", name, ok)
		}
	}
}
