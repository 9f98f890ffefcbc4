package catalog

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

const fingerprintFixture = `
CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b int, c int DEFAULT 1, CONSTRAINT ck CHECK (b > 0));
CREATE TABLE u (id int PRIMARY KEY, t int); ALTER TABLE u ADD CONSTRAINT fk FOREIGN KEY (t) REFERENCES t NOT VALID;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE VIEW v AS SELECT id FROM t; CREATE RULE ru AS ON INSERT TO v DO INSTEAD NOTHING; CREATE RULE ru2 AS ON DELETE TO t DO ALSO NOTHING; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS one;
CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9); CREATE TABLE free (id int NOT NULL);
CREATE DOMAIN d AS int; CREATE TYPE en AS ENUM ('a'); CREATE SEQUENCE s; CREATE SCHEMA sch; CREATE POLICY po ON t USING (true);
CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION ev(); ALTER EVENT TRIGGER et DISABLE;
CREATE FUNCTION op(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE INDEX ix ON t (a);
`

func TestFingerprint_ChangesWithDefinitions(t *testing.T) {
	conn := database(t, fingerprintFixture)
	for _, ddl := range []string{
		"CREATE TABLE n (id int)", "DROP TABLE free", "ALTER TABLE free RENAME TO n", "ALTER TABLE free SET SCHEMA sch", "CREATE TABLE n AS SELECT 1 AS a",
		"ALTER TABLE t ADD n int", "ALTER TABLE t DROP c", "ALTER TABLE t RENAME a TO n", "ALTER TABLE t ALTER a TYPE varchar(20)", "ALTER TABLE t ALTER b SET NOT NULL",
		"ALTER TABLE t ALTER c SET DEFAULT 2", "ALTER TABLE t ALTER c DROP DEFAULT", "ALTER TABLE free ALTER id ADD GENERATED ALWAYS AS IDENTITY",
		"ALTER TABLE t DROP CONSTRAINT ck", "ALTER TABLE t ADD CONSTRAINT n CHECK (c > 0)", "ALTER TABLE t RENAME CONSTRAINT ck TO n",
		"ALTER TABLE u VALIDATE CONSTRAINT fk", "ALTER TABLE u DROP CONSTRAINT fk", "ALTER TABLE u ADD FOREIGN KEY (t) REFERENCES t ON DELETE CASCADE", "ALTER TABLE u ALTER CONSTRAINT fk DEFERRABLE",
		"CREATE UNIQUE INDEX n ON free (id)", "DROP INDEX ix", "ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey",
		"CREATE TRIGGER n AFTER DELETE ON t EXECUTE FUNCTION f()", "ALTER TABLE t DISABLE TRIGGER tr", "ALTER TABLE t ENABLE ALWAYS TRIGGER tr", "DROP TRIGGER tr ON t", "ALTER TRIGGER tr ON t RENAME TO n",
		"CREATE FUNCTION n() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM u; RETURN NEW; END'",
		"DROP PROCEDURE p", "ALTER FUNCTION f RENAME TO n", "ALTER FUNCTION f SET SCHEMA sch", "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM u'",
		"CREATE VIEW n AS SELECT 1 AS a", "CREATE OR REPLACE VIEW v AS SELECT id + 1 AS id FROM t", "DROP VIEW v", "DROP MATERIALIZED VIEW mv",
		"CREATE RULE n AS ON DELETE TO v DO INSTEAD NOTHING", "CREATE OR REPLACE RULE ru AS ON INSERT TO v DO ALSO DELETE FROM u", "DROP RULE ru ON v", "ALTER TABLE t DISABLE RULE ru2",
		"ALTER TABLE parted DETACH PARTITION part", "ALTER TABLE parted ATTACH PARTITION free FOR VALUES FROM (20) TO (30)", "CREATE TABLE n () INHERITS (t)",
		"ALTER TABLE t ENABLE ROW LEVEL SECURITY", "CREATE POLICY n ON u USING (false)", "ALTER POLICY po ON t USING (false)", "DROP POLICY po ON t",
		"ALTER DOMAIN d ADD CHECK (VALUE > 0)", "ALTER TYPE en RENAME TO n", "CREATE TYPE n AS (a int)", "ALTER SCHEMA sch RENAME TO n", "ALTER SEQUENCE s RENAME TO n",
		"ALTER EVENT TRIGGER et ENABLE", "DROP EVENT TRIGGER et", "CREATE OPERATOR ## (LEFTARG = int, RIGHTARG = int, FUNCTION = op)", "CREATE EXTENSION hstore",
		"CREATE CAST (en AS int) WITH INOUT", "DROP SCHEMA public CASCADE",
	} {
		run(t, conn, "BEGIN")
		before := fingerprint(t, conn)
		run(t, conn, ddl)
		if after := fingerprint(t, conn); after == before {
			t.Errorf("%s: fingerprint stays", ddl)
		}
		run(t, conn, "ROLLBACK")
	}
}

// Two changes of one object in one transaction have the same xmin.
func TestFingerprint_TwiceInOneTransaction(t *testing.T) {
	conn := database(t, fingerprintFixture)
	seen := map[string]bool{fingerprint(t, conn): true}
	run(t, conn, "BEGIN")
	for range 3 {
		run(t, conn, "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS 'SELECT 2'")
		f := fingerprint(t, conn)
		if seen[f] {
			t.Error("fingerprint stays")
		}
		seen[f] = true
	}
	run(t, conn, "ROLLBACK")
	if f := fingerprint(t, conn); !seen[f] {
		t.Error("fingerprint differs after ROLLBACK")
	}
}

func TestFingerprint_StaysOtherwise(t *testing.T) {
	conn := database(t, fingerprintFixture)
	before := fingerprint(t, conn)
	for _, sql := range []string{
		"INSERT INTO t SELECT i, 'x', 1, 1 FROM generate_series(1, 1000) i", "DELETE FROM u", "VACUUM", "VACUUM FREEZE t", "ANALYZE", "TRUNCATE u", "VACUUM FULL t",
		"REFRESH MATERIALIZED VIEW mv", "SELECT nextval('s')", "CREATE TEMP TABLE tmp (id serial PRIMARY KEY, t text)", "DROP TABLE tmp", "VACUUM pg_class, pg_attribute, pg_proc",
		"CREATE ROLE fingerprint_role", "DROP ROLE fingerprint_role", "GRANT SELECT ON t TO PUBLIC", "BEGIN; CREATE TABLE undone (id int); ROLLBACK",
	} {
		run(t, conn, sql)
		if after := fingerprint(t, conn); after != before {
			t.Errorf("%s: fingerprint changes\n%s\n%s", sql, before, after)
			before = after
		}
	}
	if s := load(t, conn); s.Fingerprint != before {
		t.Errorf("Load's fingerprint %s is not Fingerprint's %s", s.Fingerprint, before)
	}
}

func fingerprint(tb testing.TB, conn *pgx.Conn) string {
	tb.Helper()
	f, err := Fingerprint(context.Background(), FromConn(conn))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}
