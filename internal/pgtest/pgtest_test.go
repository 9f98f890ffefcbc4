package pgtest

import "testing"

func TestMain(m *testing.M) { Main(m, Options{}) }

func TestDatabase_IsFreshAndUsable(t *testing.T) {
	name := Database(t, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
	Exec(t, Shared(t).URL(name), "DO $$ BEGIN IF (SELECT count(*) FROM t) <> 1 THEN RAISE 'not fresh'; END IF; END $$")
}
