package guard_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// changesPast are what may be made past the proxy, and what a DELETE then removes.
var changesPast = map[string]struct{ sql, want string }{
	"cascade":   {"CREATE TABLE more (id int PRIMARY KEY, plain_id int REFERENCES plain ON DELETE CASCADE); INSERT INTO more SELECT i, 2 FROM generate_series(1, 50) i", "remove 51 rows"},
	"altered":   {"INSERT INTO late SELECT i, 2 FROM generate_series(1, 50) i; ALTER TABLE late ADD FOREIGN KEY (plain_id) REFERENCES plain ON DELETE CASCADE", "remove 51 rows"},
	"deeper":    {"CREATE TABLE more (id int PRIMARY KEY, refund int REFERENCES refunds ON DELETE CASCADE); INSERT INTO more SELECT i, 3 FROM generate_series(1, 50) i", "remove 55 rows"},
	"trigger":   {"CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM tree; RETURN NULL; END $$; CREATE TRIGGER wipe AFTER DELETE ON plain EXECUTE FUNCTION wipe()", "remove 32 rows"},
	"partition": {"CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2); INSERT INTO parted SELECT i, 2 FROM generate_series(100, 149) i", "remove 51 rows"},
	"rule":      {"CREATE RULE r AS ON DELETE TO plain DO INSTEAD DELETE FROM tree", "remove 31 rows"},
	"child":     {"CREATE TABLE heir () INHERITS (plain); INSERT INTO heir SELECT 2 FROM generate_series(1, 50)", "remove 51 rows"},
}

// changedPast is a database for one of them, and the DELETE.
func changedPast(t *testing.T, name string) (e *env, sql string) {
	t.Helper()
	e = newEnv(t, blockPolicy(), shop, `CREATE TABLE late (id int PRIMARY KEY, plain_id int); CREATE TABLE parted (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
		CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); INSERT INTO parted VALUES (1, 1), (2, 1), (3, 1)`)
	sql = map[string]string{"deeper": "DELETE FROM orders WHERE id = $1", "partition": "DELETE FROM parted WHERE k = 2 OR id = $1"}[name]
	if sql == "" {
		sql = "DELETE FROM plain WHERE id = $1"
	}
	return e, sql
}

// What is made past the proxy after it has read the catalog must not let rows
// go uncounted, however soon.
func TestOutdated_ChangesPastTheProxyAreSeenByTheNextDelete(t *testing.T) {
	for name, change := range changesPast {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			e, sql := changedPast(t, name)
			c := e.connect(pgx.QueryExecModeCacheStatement)
			if _, err := c.Exec(ctx, sql, 1); err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, e.direct, change.sql)
			before := e.keys()
			_, err := c.Exec(ctx, sql, 2)
			if sqlstate(err) == "40001" { // planned for the catalog as it was: to be run again
				_, err = c.Exec(ctx, sql, 2)
			}
			var pe *pgconn.PgError
			if !errors.As(err, &pe) || pe.Code != "RB001" || !strings.Contains(pe.Message, change.want) {
				t.Errorf("error %v, want RB001 with %s", err, change.want)
			}
			equal(t, "keys left", e.keys(), before)
		})
	}
}

// Nor what is made in the middle of that: when the tables have been read and what
// ties them has not.
func TestOutdated_ChangesWhileTheCatalogIsRead(t *testing.T) {
	for name, change := range changesPast {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			e, sql := changedPast(t, name)
			c := e.connect(pgx.QueryExecModeCacheStatement)
			awaited, other := e.blockReading("pg_catalog.pg_depend")
			done := make(chan error, 1)
			go func() {
				_, err := c.Exec(ctx, sql, 2)
				t.Log("DBG", err, time.Now())
				done <- err
			}()
			t.Log("DBG wait", time.Now())
			awaited(0)
			mustExec(t, other, change.sql)
			before := e.keysOf(other)
			mustExec(t, other, "COMMIT")
			err := <-done
			if sqlstate(err) == "40001" {
				_, err = c.Exec(ctx, sql, 2)
			}
			var pe *pgconn.PgError
			if !errors.As(err, &pe) || pe.Code != "RB001" || !strings.Contains(pe.Message, change.want) {
				t.Errorf("error %v, want RB001 with %s", err, change.want)
			}
			equal(t, "keys left", e.keys(), before)
		})
	}
}

func TestCapture_OneTableWithoutAKeyCostsNoOtherItsKeys(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop, `CREATE TABLE keyless (order_id int REFERENCES orders ON DELETE CASCADE); INSERT INTO keyless SELECT 1 FROM generate_series(1, 7)`)
	before := e.keys()
	c := e.connect(pgx.QueryExecModeExec)
	if _, err := c.Exec(context.Background(), "DELETE FROM orders WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	equal(t, "journalled keys", e.journalled(), minus(before, e.keys()))
	x := e.entries(journal.Filter{})[0]
	i := slices.IndexFunc(x.Tables, func(tb journal.Table) bool { return tb.Name == "keyless" })
	if i < 0 || x.Tables[i].Rows != 7 || x.Tables[i].KeysCaptured || !strings.Contains(x.Tables[i].Why, "no primary key") {
		t.Errorf("tables %+v", x.Tables)
	}
}

func TestCapture_ATableTheUserMayNotReadCostsNoOtherItsKeys(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop, `DROP ROLE IF EXISTS sweeper; CREATE ROLE sweeper LOGIN; GRANT SELECT, DELETE ON orders, refunds, notes TO sweeper`)
	t.Cleanup(func() { pgtest.Exec(t, e.direct, "DROP OWNED BY sweeper; DROP ROLE sweeper") })
	before := e.keys()
	c := connect(t, strings.Replace(e.url, "postgres@", "sweeper@", 1), pgx.QueryExecModeExec)
	if _, err := c.Exec(context.Background(), "DELETE FROM orders WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	gone := minus(before, e.keys())
	equal(t, "journalled keys", e.journalled(), slices.DeleteFunc(gone, func(k string) bool { return !strings.HasPrefix(k, "orders") }))
	x := e.entries(journal.Filter{})[0]
	if x.Rows != 5 {
		t.Errorf("%d rows, want 5: an order, two payments, two refunds", x.Rows)
	}
	for _, tb := range x.Tables {
		if !tb.KeysCaptured && (tb.Via != journal.Cascade || !strings.Contains(tb.Why, "may not read")) {
			t.Errorf("table %+v", tb)
		}
	}
}

func TestUncaptured_IsRefusedInAnyMode(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Block, policy.Alert} {
		e := newEnv(t, captured(policy.Uniform(mode, 10)), shop, `CREATE TABLE keyless (x int); INSERT INTO keyless VALUES (1), (2)`)
		before := e.rows()
		c := e.connect(pgx.QueryExecModeExec)
		_, err := c.Exec(context.Background(), "DELETE FROM keyless WHERE x = 1")
		if sqlstate(err) != "RB001" || !strings.Contains(err.Error(), "cannot be recorded") {
			t.Errorf("%s: error %v", mode, err)
		}
		if len(e.rows()) != len(before) {
			t.Errorf("%s: rows are gone", mode)
		}
	}
}

// Columns that are gone past the proxy are rowback's to read again, and no error of
// the client's statement, which names none of them.
func TestOutdated_ColumnsPastTheProxy(t *testing.T) {
	rows := alertPolicy()
	rows.Default.Capture = policy.CaptureRows
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e := newEnv(t, rows, shop)
			c := e.connect(m)
			for table, change := range map[string]string{
				"plain":  "ALTER TABLE plain DROP a",
				"orders": "ALTER TABLE refunds RENAME id TO refund",
			} {
				sql := "DELETE FROM " + table + " WHERE id = "
				if _, err := c.Exec(t.Context(), sql+"1"); err != nil {
					t.Fatal(err)
				}
				pgtest.Exec(t, e.direct, change)
				if _, err := c.Exec(t.Context(), sql+"2"); sqlstate(err) != "40001" {
					t.Errorf("%s: %v, want 40001", change, err)
				}
				if _, err := c.Exec(t.Context(), sql+"2"); err != nil {
					t.Errorf("%s, again: %v", change, err)
				}
				if _, err := c.Exec(t.Context(), sql+"2 AND nope = 3"); sqlstate(err) != "42703" || !strings.Contains(err.Error(), "nope") {
					t.Errorf("the client's own error: %v", err)
				}
			}
		})
	}
}

// A privilege that only rowback's own reading of a cascade needed, and that was taken away.
func TestOutdated_PrivilegeTakenAway(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, blockPolicy(), shop, "DROP ROLE IF EXISTS reader; CREATE ROLE reader; GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO reader")
	t.Cleanup(func() { pgtest.Exec(t, e.direct, "DROP OWNED BY reader; DROP ROLE reader") })
	for _, mode := range modes {
		c := e.connect(mode)
		mustExec(t, c, "SET ROLE reader")
		if _, err := c.Exec(ctx, "DELETE FROM orders WHERE id = $1", -1); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, e.direct, "REVOKE SELECT ON refunds FROM reader")
		if _, err := c.Exec(ctx, "DELETE FROM orders WHERE id = $1", -2); err != nil && sqlstate(err) != "40001" {
			t.Error(err)
		}
		if _, err := c.Exec(ctx, "DELETE FROM orders WHERE id = $1", -2); err != nil {
			t.Error(err)
		}
		if _, err := c.Exec(ctx, "DELETE FROM orders USING refunds WHERE orders.id = $1", -3); sqlstate(err) != "42501" { // its own
			t.Error(err)
		}
		pgtest.Exec(t, e.direct, "GRANT SELECT ON refunds TO reader")
		_ = c.Close(ctx)
	}
}

// One that whole rows of a cascade are locked by.
func TestOutdated_PrivilegeToLockTakenAway(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, wholeRows(blockPolicy()), shop, "DROP ROLE IF EXISTS locker; CREATE ROLE locker; GRANT SELECT, DELETE, UPDATE ON ALL TABLES IN SCHEMA public TO locker")
	t.Cleanup(func() { pgtest.Exec(t, e.direct, "DROP OWNED BY locker; DROP ROLE locker") })
	for _, mode := range modes {
		c := e.connect(mode)
		mustExec(t, c, "SET ROLE locker")
		if _, err := c.Exec(ctx, "DELETE FROM orders WHERE id = $1", -1); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, e.direct, "REVOKE UPDATE ON refunds FROM locker")
		if _, err := c.Exec(ctx, "DELETE FROM orders WHERE id = $1", -2); err != nil && sqlstate(err) != "40001" {
			t.Error(err)
		}
		if _, err := c.Exec(ctx, "DELETE FROM orders WHERE id = $1", -2); err != nil {
			t.Error(err)
		}
		pgtest.Exec(t, e.direct, "GRANT UPDATE ON refunds TO locker")
		_ = c.Close(ctx)
	}
}
