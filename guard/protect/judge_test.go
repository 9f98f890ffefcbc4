package protect_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/internal/pgtest"
)

func TestDelete_CascadesAreCountedExactly(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 50})
	app := l.connect("postgres")
	refused(t, try(app, "DELETE FROM orders WHERE id <= 10"), "DELETE would remove 100 rows (orders 10, payments 20, audit_logs 50, refunds 20), limit 50")
	if got := l.query("SELECT count(*) FROM orders"); got[0] != "100" {
		t.Errorf("%v orders are left", got)
	}
	if err := try(app, "DELETE FROM orders WHERE id <= 5"); err != nil {
		t.Fatal(err)
	}
	equal(t, "evidence", l.evidence(), []string{"public.orders direct 5 5", "public.payments cascade 10 10", "public.audit_logs cascade 25 25", "public.refunds cascade 10 10"})
	equal(t, "keys", l.query("SELECT k.keys FROM rowback.evidence_key k JOIN rowback.evidence e ON e.id = evidence WHERE table_name = 'orders'"), []string{"{{1},{2},{3},{4},{5}}"})
}

func TestDelete_TransactionsAddUpAndSavepointsTakeBack(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 100})
	if err := try(l.connect("postgres"), `BEGIN; DELETE FROM orders WHERE id <= 6; SAVEPOINT a; DELETE FROM orders WHERE id BETWEEN 7 AND 10; ROLLBACK TO a;
		DELETE FROM refunds WHERE id > 160; COMMIT`); err != nil { // 60, 40 taken back, 40 less what is gone already
		t.Fatal(err)
	}
	c := l.connect("postgres")
	if err := try(c, "BEGIN; DELETE FROM orders WHERE id BETWEEN 11 AND 18; SELECT 1"); err != nil {
		t.Fatal(err)
	}
	refused(t, try(c, "DELETE FROM orders WHERE id BETWEEN 21 AND 24"), "DELETE would bring the rows removed by this transaction to ")
	if status := c.PgConn().TxStatus(); status != 'E' {
		t.Errorf("transaction status %c", status)
	}
	if err := try(c, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if got := l.query("SELECT sum(removed) <= 100, count(DISTINCT xid) FROM rowback.evidence"); got[0] != "t|1" {
		t.Errorf("evidence %v", got)
	}
}

// An exception block takes back what it removed, in the counting too.
func TestDelete_ExceptionBlocksTakeBack(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"refunds"}, Threshold: 100})
	if err := try(l.connect("postgres"), `DO $$ BEGIN
		FOR i IN 1..3 LOOP
			BEGIN DELETE FROM refunds WHERE id <= 90; RAISE EXCEPTION 'no'; EXCEPTION WHEN raise_exception THEN END;
		END LOOP;
		BEGIN DELETE FROM refunds; EXCEPTION WHEN SQLSTATE 'RB001' THEN END;
		DELETE FROM refunds WHERE id <= 10; END $$`); err != nil {
		t.Fatal(err)
	}
	equal(t, "evidence", l.evidence(), []string{"public.refunds direct 10 10"})
}

func TestDelete_InEveryDress(t *testing.T) {
	l := newLab(t, shop, `CREATE VIEW v AS SELECT * FROM refunds;
		CREATE FUNCTION purge() RETURNS bigint LANGUAGE sql AS 'WITH d AS (DELETE FROM refunds RETURNING 1) SELECT count(*) FROM d';
		CREATE TABLE other (id int); INSERT INTO other VALUES (1); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM refunds; RETURN NULL; END';
		CREATE TRIGGER t AFTER UPDATE ON other FOR EACH ROW EXECUTE FUNCTION f()`)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 50})
	for _, sql := range []string{
		"DELETE FROM refunds", "DELETE FROM ONLY refunds r USING payments p WHERE p.id = r.payment_id RETURNING *",
		"WITH d AS (DELETE FROM refunds RETURNING *) SELECT count(*) FROM d", "DELETE FROM v", "SELECT purge()", "UPDATE other SET id = 2",
		"MERGE INTO refunds r USING payments p ON p.id = r.payment_id WHEN MATCHED THEN DELETE", "PREPARE x AS DELETE FROM refunds; EXECUTE x",
		"DO $$ BEGIN DELETE FROM refunds; END $$", "EXPLAIN ANALYZE DELETE FROM refunds", "TRUNCATE refunds", "TRUNCATE payments CASCADE",
		"BEGIN; DELETE FROM refunds; PREPARE TRANSACTION 'x'",
	} {
		if v := pgtest.Shared(t).Version(); v < 15 && strings.HasPrefix(sql, "MERGE") {
			t.Logf("not run on PostgreSQL %d: %s", v, sql)
			continue
		}
		if err := try(l.connect("postgres"), sql); err == nil || !strings.Contains(err.Error(), "RB001") || !strings.Contains(err.Error(), "refunds 200") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := l.query("SELECT count(*) FROM refunds"); got[0] != "200" {
		t.Errorf("%v are left", got)
	}
	equal(t, "evidence", l.evidence(), nil)
}

// Two targets of one statement are judged together, with both numbers.
func TestDelete_TwoTargetsOfOneStatement(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 50})
	refused(t, try(l.connect("postgres"), "WITH a AS (DELETE FROM audit_logs WHERE id <= 40) DELETE FROM refunds WHERE id <= 40"), "DELETE would remove 80 rows (refunds 40, audit_logs 40), limit 50")
}

func TestDelete_SelfReferenceIsCountedOnce(t *testing.T) {
	l := newLab(t, `CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE); INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 100) i`)
	l.install(protect.InstallOptions{Tables: []string{"tree"}, Threshold: 60})
	refused(t, try(l.connect("postgres"), "DELETE FROM tree WHERE id = 1"), "DELETE would remove 100 rows (tree 100), limit 60")
	if err := try(l.connect("postgres"), "DELETE FROM tree WHERE id = 3"); err != nil {
		t.Fatal(err)
	}
	if got := l.query("SELECT sum(removed), (SELECT count(*) FROM tree) FROM rowback.evidence"); got[0] != "36|64" {
		t.Errorf("%v", got)
	}
}

func TestAlert_GoesThroughWithEveryKey(t *testing.T) {
	l := newLab(t, shop, "INSERT INTO audit_logs SELECT i, 1 FROM generate_series(1001, 3500) i")
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 50, Mode: protect.Alert})
	if err := try(l.connect("postgres"), "DELETE FROM orders"); err != nil {
		t.Fatal(err)
	}
	equal(t, "evidence", l.evidence(), []string{"public.orders direct 100 100", "public.payments cascade 200 200", "public.audit_logs cascade 3000 3000", "public.refunds cascade 200 200"})
	if got := l.query("SELECT max(array_length(keys, 1)), (SELECT max(alerted) FROM rowback.evidence) FROM rowback.evidence_key"); got[0] != "1000|50" {
		t.Errorf("%v", got)
	}
}

// Where the statement's verdict is put off by a client that sets what is under
// way, or by a trigger that is off, COMMIT gives it.
func TestNet_JudgesAtCommit(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"refunds"}, Threshold: 50})
	c := l.connect("postgres")
	if err := try(c, "SET rowback.open = '0 1:1 1:1'; BEGIN; DELETE FROM refunds"); err != nil {
		t.Fatal(err)
	}
	refused(t, try(c, "COMMIT"), "200 rows (refunds 200), limit 50")
	for _, open := range []string{"", "nonsense", "999999999999999999 7:1", "0", "-1 1:1"} {
		if err := try(c, "SET rowback.open = '"+open+"'"); err != nil {
			t.Fatal(err)
		}
		if err := try(c, "DELETE FROM refunds"); err == nil || !strings.Contains(err.Error(), "RB001") {
			t.Errorf("rowback.open = %q: %v", open, err)
		}
	}
	if got := l.query("SELECT count(*) FROM refunds"); got[0] != "200" {
		t.Errorf("%v are left", got)
	}
}

// Logical replication and restores run so: they must not be stopped.
func TestReplica_NothingFires(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 5})
	if err := try(l.connect("postgres"), "SET session_replication_role = replica; DELETE FROM refunds; TRUNCATE audit_logs; DROP TABLE audit_logs"); err != nil {
		t.Fatal(err)
	}
	equal(t, "evidence", l.evidence(), nil)
}

// What removes nothing costs no transaction id and leaves nothing.
func TestDelete_OfNothingLeavesNothing(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}})
	if got := l.query("BEGIN; DELETE FROM orders WHERE id = 0; SELECT pg_current_xact_id_if_assigned(), current_setting('rowback.open', true); COMMIT"); got[len(got)-1] != "NULL|" {
		t.Errorf("%q", got)
	}
	if _, err := l.conn.Exec(context.Background(), "UPDATE orders SET customer = NULL; INSERT INTO orders VALUES (1000)"); err != nil {
		t.Fatal(err)
	}
	equal(t, "evidence", l.evidence(), nil)
}

// The key's columns are found by their place: where that has changed, no key is
// better than a wrong one, and the DELETE goes on.
func TestDelete_AfterTheKeyHasChangedIsCountedWithoutKeys(t *testing.T) {
	for _, change := range []string{"DROP COLUMN a", "RENAME id TO nr", "ALTER id TYPE bigint"} {
		l := newLab(t, "CREATE TABLE x (a int, b int, id int PRIMARY KEY, c int); INSERT INTO x SELECT i, -i, 100 + i FROM generate_series(1, 9) i")
		l.install(protect.InstallOptions{Tables: []string{"x"}})
		c := l.connect("postgres")
		for _, sql := range []string{"DELETE FROM x WHERE b = -1", "ALTER TABLE x DROP COLUMN c", "DELETE FROM x WHERE b = -2", "ALTER TABLE x " + change, "DELETE FROM x WHERE b = -3"} {
			if err := try(c, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		equal(t, change, l.evidence(), []string{"public.x direct 1 1", "public.x direct 1 1", "public.x direct 1"})
		l.install(protect.InstallOptions{})
		l.exec("DELETE FROM x WHERE b = -4", "TRUNCATE x")
		equal(t, change, l.query("SELECT keys FROM rowback.evidence_key ORDER BY id"), []string{"{{101}}", "{{102}}", "{{104}}", "{{105},{106},{107},{108},{109}}"})
	}
}
