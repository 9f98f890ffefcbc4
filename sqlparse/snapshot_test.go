package sqlparse_test

import (
	"testing"

	"github.com/rowback/rowback/sqlparse"
)

func TestSnapshotless(t *testing.T) {
	for text, want := range map[string]bool{
		"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE": true,
		"/* x */ set transaction read only;":           true,
		"LOCK TABLE a, b IN SHARE MODE ; ":             true,
		"SHOW ALL":                                     true,
		"savepoint a\x00":                              true,
		"RELEASE a":                                    true,
		"SET CONSTRAINTS ALL IMMEDIATE":                false,
		"SET /* */ constraints a DEFERRED":             false,
		"SET x = 1; DELETE FROM a":                     false,
		"COMMIT":                                       false,
		"SELECT 1":                                     false,
		"":                                             false,
		"SETOF":                                        false,
	} {
		if got := sqlparse.Snapshotless([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestInert(t *testing.T) {
	for text, want := range map[string]bool{
		"SET TRANSACTION READ ONLY": true, "discard all;": true, "/* */ LISTEN a": true, "NOTIFY a, 'x;y'": false, "NOTIFY a, 'x'\x00": true, "UNLISTEN *": true, "DEALLOCATE ALL": true, "CHECKPOINT": true,
		"DISCARD ALL; DELETE FROM a": false, "SELECT 1": false, "SET CONSTRAINTS ALL IMMEDIATE": false, "CLOSE c": false, "": false,
	} {
		if got := sqlparse.Inert([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestAlone(t *testing.T) {
	for sql, want := range map[string]bool{
		"VACUUM": true, "vacuum (analyze) x;\x00": true, "/* a */ DISCARD ALL ; ": true, "create index concurrently on x (id)": true, "REINDEX TABLE CONCURRENTLY x": true, "drop index concurrently i": true,
		"DISCARD PLANS": false, "REINDEX TABLE x": false, "CLUSTER x": false, "CREATE DATABASE x": false, "VACUUM; SELECT 1": false, "create index on x (concurrently)": false, "vacuums": false, "discard all_": false,
	} {
		if got := sqlparse.Alone([]byte(sql)); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}

func TestBlockish(t *testing.T) {
	for sql, want := range map[string]bool{
		"LOCK TABLE x": true, "/* a */ declare c CURSOR FOR SELECT 1": true, "set constraints ALL DEFERRED": true, "SET /* a */ LOCAL a = 1": true, "SET TRANSACTION READ ONLY": true,
		"SET a = 1": false, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": false, "SELECT 1": false, "locks": false, "SET locale = 1": false, "": false,
	} {
		if got := sqlparse.Blockish([]byte(sql)); got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
}

func TestLonely(t *testing.T) {
	for sql, want := range map[string]bool{
		"VACUUM x": true, "/* a */ reindex table x": true, "CREATE UNIQUE INDEX CONCURRENTLY i ON x (id)": true, "drop index concurrently i": true, "CREATE DATABASE x": true, "alter system set a = 1": true,
		"ALTER TABLE ONLY s.x DETACH PARTITION s.y CONCURRENTLY;": true,
		"CREATE TABLE subscription_log AS SELECT f()":             false, "CREATE TABLE x AS SELECT f() /* database */": false, "ALTER TABLE subscriptions ADD COLUMN d int DEFAULT f()": false,
		"REFRESH MATERIALIZED VIEW CONCURRENTLY x": false, "DROP DATABASE x": false, "vacuums": false, "ALTER TABLE x DETACH PARTITION y CONCURRENTLY, ADD COLUMN d int DEFAULT f()": false,
	} {
		if got := sqlparse.Lonely([]byte(sql)); got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
}
