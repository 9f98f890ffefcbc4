package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

const wipe = "CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM tree; RETURN NULL; END $$; "

// A DELETE that was planned as one that sets nothing off may set something off all
// the same, by what was changed past the proxy.
func TestExact_WhatAChangePastTheProxySetsOffIsCounted(t *testing.T) {
	for name, c := range map[string]struct{ setup, change, sql string }{
		"rule replaced":      {setup: "CREATE RULE r AS ON UPDATE TO plain DO ALSO NOTHING", change: "CREATE OR REPLACE RULE r AS ON DELETE TO plain DO ALSO DELETE FROM tree"},
		"rule enabled":       {setup: "CREATE RULE r AS ON DELETE TO plain DO ALSO DELETE FROM tree; ALTER TABLE plain DISABLE RULE r", change: "ALTER TABLE plain ENABLE RULE r"},
		"trigger replaced":   {setup: wipe + "CREATE TRIGGER w AFTER UPDATE ON plain EXECUTE FUNCTION wipe()", change: "CREATE OR REPLACE TRIGGER w AFTER DELETE ON plain EXECUTE FUNCTION wipe()"},
		"trigger enabled":    {setup: wipe + "CREATE TRIGGER w AFTER DELETE ON plain EXECUTE FUNCTION wipe(); ALTER TABLE plain DISABLE TRIGGER w", change: "ALTER TABLE plain ENABLE TRIGGER w"},
		"trigger by another": {setup: wipe + "CREATE TRIGGER w BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", change: "CREATE OR REPLACE TRIGGER w AFTER DELETE ON plain EXECUTE FUNCTION wipe()"},
		"no row":             {change: wipe + "CREATE TRIGGER w AFTER DELETE ON plain EXECUTE FUNCTION wipe()", sql: "DELETE FROM plain WHERE id = -2"},
		"partition swapped": {setup: wipe + `CREATE TABLE older (id int, k int); CREATE TRIGGER w AFTER DELETE ON older FOR EACH ROW EXECUTE FUNCTION wipe(); INSERT INTO older VALUES (2, 1);
			CREATE TABLE parted (id int, k int) PARTITION BY LIST (k); CREATE TABLE newer PARTITION OF parted FOR VALUES IN (1); CREATE TABLE newest PARTITION OF parted FOR VALUES IN (2)`,
			change: "ALTER TABLE parted DETACH PARTITION newer; ALTER TABLE parted ATTACH PARTITION older FOR VALUES IN (1)", sql: "DELETE FROM parted WHERE id = 2"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			if strings.Contains(c.change+c.setup, "OR REPLACE TRIGGER") {
				pgtest.Since(t, 14, "CREATE OR REPLACE TRIGGER")
			}
			e := newEnv(t, blockPolicy(), shop, c.setup)
			sql := "DELETE FROM plain WHERE id = 2"
			if c.sql != "" {
				sql = c.sql
			}
			s := e.connect(pgx.QueryExecModeExec)
			if _, err := s.Exec(ctx, strings.Replace(sql, "2", "1", 1)); err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, e.direct, c.change)
			_, err := s.Exec(ctx, sql)
			if sqlstate(err) == "40001" {
				_, err = s.Exec(ctx, sql)
			}
			if sqlstate(err) != "RB001" {
				t.Errorf("error %v, want RB001", err)
			}
			if !slices.Contains(e.keys(), "tree 31") {
				t.Error("rows are gone")
			}
		})
	}
}

// A transaction that sees the catalog as it was runs the triggers there are now.
func TestExact_TransactionsWithASnapshotOfTheirOwn(t *testing.T) {
	for name, change := range map[string]string{
		"foreign key": "ALTER TABLE more ADD FOREIGN KEY (plain_id) REFERENCES plain ON DELETE CASCADE",
		"trigger":     wipe + "CREATE TRIGGER w AFTER DELETE ON plain EXECUTE FUNCTION wipe()",
	} {
		for _, before := range []string{"SELECT 1 FROM plain", "DELETE FROM plain WHERE id = 1", "DELETE FROM orders WHERE id = 1"} {
			t.Run(name+"/"+before, func(t *testing.T) {
				ctx := context.Background()
				e := newEnv(t, blockPolicy(), shop, "CREATE TABLE more (id int PRIMARY KEY, plain_id int); INSERT INTO more SELECT i, 2 FROM generate_series(1, 50) i; CREATE INDEX ON more (plain_id)")
				c := e.connect(pgx.QueryExecModeExec)
				for _, sql := range []string{"DELETE FROM plain WHERE id = 3", "BEGIN ISOLATION LEVEL REPEATABLE READ", before} {
					if _, err := c.Exec(ctx, sql); err != nil {
						t.Fatal(err)
					}
				}
				if strings.HasPrefix(before, "DELETE FROM plain") { // its lock would keep the change away
					if _, err := c.Exec(ctx, "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"); err != nil {
						t.Fatal(err)
					}
				}
				pgtest.Exec(t, e.direct, change)
				_, err := c.Exec(ctx, "DELETE FROM plain WHERE id = 2")
				var pe *pgconn.PgError
				if !errors.As(err, &pe) || pe.Code != "RB001" {
					t.Errorf("error %v, want RB001", err)
				}
				if _, err := c.Exec(ctx, "COMMIT"); err != nil {
					t.Fatal(err)
				}
				if got := e.entries(journal.Filter{Outcome: journal.Blocked}); len(got) != 1 {
					t.Errorf("%d blocked entries", len(got))
				}
			})
		}
	}
}

// Names are the session's to change, also while its DELETE runs.
func TestExact_ANameChangedByTheStatementItself(t *testing.T) {
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop, "CREATE SCHEMA s; CREATE TABLE s.plain (id int PRIMARY KEY); CREATE FUNCTION aim(path text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('search_path', path, false); RETURN true; END$$")
			c := e.connect(m)
			for _, sql := range []string{"DELETE FROM plain WHERE id <= 2 AND aim('s, public')", "DELETE FROM public.plain WHERE id = 3 AND aim('public')"} {
				if _, err := c.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			equal(t, "journalled", e.journalled(), []string{"plain 1", "plain 2", "plain 3"})
		})
	}
}

// What is read of the catalog for a new table is for its statement too.
func TestNewer_AFunctionMadeWithTheTable(t *testing.T) {
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			c := e.connect(m)
			if _, err := c.Exec(t.Context(), "DELETE FROM plain WHERE id = -1"); err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, e.direct, "CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh SELECT generate_series(1, 6); CREATE FUNCTION purge() RETURNS bool LANGUAGE plpgsql AS 'BEGIN DELETE FROM plain; RETURN true; END'")
			if _, err := c.Exec(t.Context(), "DELETE FROM fresh WHERE id = 1 AND purge()"); sqlstate(err) != "RB001" {
				t.Errorf("error %v, want RB001", err)
			}
		})
	}
}

// The server's counters may still hold what earlier transactions of the session removed.
func TestExact_EarlierTransactionsDoNotCount(t *testing.T) {
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			c := e.connect(m)
			var want []string
			for i, sql := range []string{"DELETE FROM plain WHERE id BETWEEN 11 AND 18", "BEGIN ISOLATION LEVEL SERIALIZABLE", "DELETE FROM plain WHERE id BETWEEN 21 AND 24", "DELETE FROM plain WHERE id BETWEEN 25 AND 28", "COMMIT",
				"SET default_transaction_isolation = 'repeatable read'", "DELETE FROM plain WHERE id BETWEEN 31 AND 38", "DELETE FROM plain WHERE id BETWEEN 41 AND 48"} {
				if _, err := c.Exec(t.Context(), sql); err != nil {
					t.Fatalf("%d: %v", i, err)
				}
			}
			for _, ten := range []int{10, 20, 30, 40} {
				for i := 1; i <= 8; i++ {
					want = append(want, fmt.Sprintf("plain %d", ten+i))
				}
			}
			equal(t, "journalled", e.journalled(), want)
			for _, x := range e.entries(journal.Filter{}) {
				if x.Rows != 8 || !x.Tables[0].KeysCaptured {
					t.Errorf("%+v", x)
				}
			}
		})
	}
}
