package guard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// swaps are what others do to the cascade of order 1 that leaves its numbers as they
// are: they move a row out of it, and add one.
var swaps = map[string][]string{
	"payments":             {"DELETE FROM refunds WHERE payment_id IN (1, 1001)", "INSERT INTO payments VALUES (1001, 1)", "UPDATE payments SET order_id = 7 WHERE id = 1"},
	"payments and refunds": {"INSERT INTO payments VALUES (1001, 1)", "INSERT INTO refunds VALUES (1001, 1001)", "UPDATE payments SET order_id = 7 WHERE id = 1"},
	"refunds":              {"SELECT 1 FROM orders WHERE id = 1 FOR UPDATE", "INSERT INTO refunds VALUES (1001, 1)", "UPDATE refunds SET payment_id = 9 WHERE id = 2"},
}

// Rows that others move out of a cascade while as many come to it: what is still there is
// not said to be gone.
func TestExchange_AsManyRowsMovedAsAdded(t *testing.T) {
	for name, others := range swaps {
		for _, control := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				e := newEnv(t, alertPolicy(), shop)
				if control {
					e.control = controlled(e)
					e.start(alertPolicy(), e.journal)
				}
				want := e.among(nil, "DELETE FROM orders WHERE id = 1", others...)
				es := e.entries(journal.Filter{Outcome: journal.Committed})
				if len(es) != 1 || es[0].Rows != int64(len(want)) {
					t.Fatalf("removed were %v; entries %+v", want, es)
				}
				var lacking []string
				for _, tb := range es[0].Tables {
					if tb.Removed() && !tb.KeysCaptured {
						lacking = append(lacking, tb.Name)
					}
				}
				if control && len(lacking) > 0 {
					t.Errorf("no keys of %v", lacking)
				}
				right := func(key string) bool { return !slices.Contains(lacking, strings.Fields(key)[0]) }
				equal(t, "journalled", slices.DeleteFunc(e.journalled(), func(k string) bool { return !right(k) }), slices.DeleteFunc(want, func(k string) bool { return !right(k) }))
			})
		}
	}
}

// So it is with links that are cut.
func TestExchange_AsManyLinksMovedAsMade(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop)
	e.among(nil, "DELETE FROM orders WHERE id = 1", "INSERT INTO notes VALUES (1001, 1)", "UPDATE notes SET order_id = 7 WHERE id = 1")
	var got []string
	for _, tb := range e.entries(journal.Filter{Outcome: journal.Committed})[0].Tables {
		if tb.Via == journal.SetNull {
			got = append(got, fmt.Sprint(tb.Name, " ", tb.Rows, " ", tb.KeysCaptured))
		}
	}
	equal(t, "links", got, []string{"notes 1 true", "notes 1 false"})
}

// Keys of several columns, text that needs quoting, partitions, and a batch of statements.
func TestExchange_Keys(t *testing.T) {
	const schema = `CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 9);
		CREATE TABLE c (a text, b timestamptz, p int NOT NULL REFERENCES p ON DELETE CASCADE, PRIMARY KEY (a, b)) PARTITION BY HASH (a);
		CREATE TABLE c0 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE c1 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		INSERT INTO c SELECT E'\\"$\'{' || i, '2026-01-01', i FROM generate_series(1, 9) i`
	for name, batch := range map[string]bool{"one": false, "batch": true} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, alertPolicy(), schema)
			ctx := t.Context()
			other, c, watch := connect(t, e.direct, pgx.QueryExecModeExec), e.connect(pgx.QueryExecModeCacheStatement), e.watch()
			ids := []int{1}
			if batch {
				ids = []int{2, 1, 3}
			}
			for _, sql := range []string{"BEGIN", `UPDATE c SET p = 9 WHERE p = 1`, `INSERT INTO c VALUES (E'\\"$\'{1', '2025-01-01', 1)`} {
				mustExec(t, other, sql)
			}
			done := make(chan error)
			go func() {
				var b pgx.Batch
				for _, id := range ids {
					b.Queue("DELETE FROM p WHERE id = $1", id)
				}
				done <- c.SendBatch(ctx, &b).Close()
			}()
			e.awaitLock(watch)
			mustExec(t, other, "COMMIT")
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			for _, x := range e.entries(journal.Filter{}) {
				for _, tb := range x.Tables {
					if tb.KeysCaptured != (tb.Name == "p") || tb.Rows != int64(len(ids)) {
						t.Errorf("%+v", tb)
					}
				}
			}
		})
	}
}

// What others do elsewhere meanwhile does not matter.
func TestExchange_OthersChangeOtherRows(t *testing.T) {
	e := newEnv(t, captured(blockPolicy()), shop)
	e.among(nil, "DELETE FROM orders WHERE id = 1", "SELECT 1 FROM orders WHERE id = 1 FOR UPDATE", "UPDATE payments SET order_id = 7 WHERE order_id = 2", "DELETE FROM orders WHERE id = 3", "INSERT INTO notes VALUES (1001, 4)")
	for _, tb := range e.entries(journal.Filter{Outcome: journal.Committed})[0].Tables {
		if !tb.KeysCaptured {
			t.Errorf("%+v", tb)
		}
	}
}
