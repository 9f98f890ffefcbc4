package catalog

import "testing"

// Each change follows those before it.
func TestTurned(t *testing.T) {
	conn := database(t, `CREATE TABLE victim (id int); CREATE TABLE plain (id int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT 1 AS x; CREATE DOMAIN d AS int`)
	was := load(t, conn)
	for _, c := range []struct {
		change string
		want   bool
	}{
		{"CREATE FUNCTION purge() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM victim RETURNING 1'", false},
		{"CREATE FUNCTION purge_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM victim; RETURN NULL; END'", false},
		{"CREATE TRIGGER tr AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION purge_trigger()", false},
		{"CREATE VIEW w AS SELECT purge() AS x", false},
		{"COMMENT ON FUNCTION f() IS 'x'", false},
		{"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT purge()'; ALTER FUNCTION f() RENAME TO g", true},
		{"CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'", false},
		{"CREATE OR REPLACE VIEW v AS SELECT purge() AS x", true},
		{"ALTER DOMAIN d ADD CHECK (purge() + VALUE > 0)", true},
	} {
		run(t, conn, c.change)
		now := load(t, conn)
		if got := now.Turned(was); got != c.want {
			t.Errorf("%s: %v", c.change, got)
		}
		if now.Turned(now) {
			t.Errorf("%s: turned since itself", c.change)
		}
		was = now
	}
}
