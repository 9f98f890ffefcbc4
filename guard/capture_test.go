package guard_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// shop has cascades three deep, a self-reference and links that are cut.
const shop = `
CREATE TABLE orders (id int PRIMARY KEY, kind text);
CREATE TABLE payments (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders ON DELETE CASCADE);
CREATE INDEX ON payments (order_id);
CREATE TABLE refunds (id int PRIMARY KEY, payment_id int REFERENCES payments ON DELETE CASCADE);
CREATE INDEX ON refunds (payment_id);
CREATE TABLE notes (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE SET NULL);
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE plain (id int PRIMARY KEY, a text);
INSERT INTO orders SELECT i, CASE WHEN i <= 20 THEN 'test' ELSE 'real' END FROM generate_series(1, 100) i;
INSERT INTO payments SELECT i, (i - 1) / 2 + 1 FROM generate_series(1, 200) i;
INSERT INTO refunds SELECT i, i FROM generate_series(1, 200) i;
INSERT INTO notes SELECT i, i FROM generate_series(1, 50) i;
INSERT INTO tree SELECT i, NULLIF(i / 2, 0) FROM generate_series(1, 31) i;
INSERT INTO plain SELECT i, 'row ' || i FROM generate_series(1, 100) i;`

var modes = map[string]pgx.QueryExecMode{
	"simple":   pgx.QueryExecModeSimpleProtocol,
	"unnamed":  pgx.QueryExecModeExec,
	"named":    pgx.QueryExecModeCacheStatement,
	"describe": pgx.QueryExecModeDescribeExec,
}

func alertPolicy() policy.Policy { return policy.Uniform(policy.Alert, 10) }
func blockPolicy() policy.Policy { return policy.Uniform(policy.Block, 10) }

func TestCapture_EveryVanishedKeyIsJournalled(t *testing.T) {
	statements := map[string]string{
		"no children":    "DELETE FROM plain WHERE id <= 7",
		"cascades":       "DELETE FROM orders WHERE kind = 'test'",
		"self-reference": "DELETE FROM tree WHERE id IN (2, 5, 10)",
		"whole tree":     "DELETE FROM tree",
		"using":          "DELETE FROM payments p USING orders o WHERE o.id = p.order_id AND o.kind = 'test'",
		"with":           "WITH x AS (SELECT id FROM orders LIMIT 3) DELETE FROM orders WHERE id IN (SELECT id FROM x)",
		"comment at end": "DELETE FROM plain WHERE id < 4 -- done",
	}
	for mode, m := range modes {
		for name, sql := range statements {
			t.Run(mode+"/"+name, func(t *testing.T) {
				e := newEnv(t, alertPolicy(), shop)
				before := e.keys()
				c := e.connect(m)
				tag, err := c.Exec(context.Background(), sql)
				if err != nil {
					t.Fatal(err)
				}
				after := e.keys()
				gone := minus(before, after)
				if len(gone) == 0 || !tag.Delete() {
					t.Fatalf("tag %q, %d rows gone", tag, len(gone))
				}
				equal(t, "journalled keys", e.journalled(), gone)
				es := e.entries(journal.Filter{})
				if len(es) != 1 || es[0].Rows != int64(len(gone)) {
					t.Fatalf("%d entries, first %+v, want one with %d rows", len(es), es[0], len(gone))
				}
				for _, tb := range es[0].Tables {
					if !tb.KeysCaptured {
						t.Errorf("%s: keys not captured: %s", tb.Name, tb.Why)
					}
				}
				if es[0].Statements[0].SQL != sql || es[0].Statements[0].Tag != tag.String() {
					t.Errorf("statement %+v, want %q %q", es[0].Statements[0], sql, tag)
				}
			})
		}
	}
}

func TestBlock_NothingIsRemovedAndTheNumbersAreExact(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			before := e.keys()
			c := e.connect(m)
			_, err := c.Exec(context.Background(), "DELETE FROM orders WHERE kind = 'test'")
			var pe *pgconn.PgError
			if !errors.As(err, &pe) || pe.Code != "RB001" {
				t.Fatalf("error %v, want RB001", err)
			}
			if want := "DELETE would remove 100 rows (orders 20, payments 40, refunds 40), limit 10"; pe.Message != want {
				t.Errorf("message %q, want %q", pe.Message, want)
			}
			if c.PgConn().TxStatus() != 'I' {
				t.Errorf("status %q, want I", c.PgConn().TxStatus())
			}
			equal(t, "keys left", e.keys(), before)
			es := e.entries(journal.Filter{})
			if len(es) != 1 || es[0].Outcome != journal.Blocked || es[0].Rows != 100 || !strings.Contains(pe.Detail, es[0].ID) {
				t.Errorf("entries %+v; detail %q", es, pe.Detail)
			}
			if _, err := c.Exec(context.Background(), "DELETE FROM plain WHERE id = 1"); err != nil {
				t.Errorf("a small delete afterwards: %v", err)
			}
		})
	}
}

func TestBlock_InABlockTheTransactionIsAborted(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			ctx := context.Background()
			e := newEnv(t, blockPolicy(), shop)
			before := e.keys()
			c := e.connect(m)
			exec := func(sql string) error { _, err := c.Exec(ctx, sql); return err }
			if err := errors.Join(exec("BEGIN"), exec("DELETE FROM plain WHERE id < 5")); err != nil {
				t.Fatal(err)
			}
			if err := exec("DELETE FROM plain WHERE id < 50"); sqlstate(err) != "RB001" {
				t.Fatalf("error %v, want RB001", err)
			}
			if c.PgConn().TxStatus() != 'E' {
				t.Errorf("status %q, want E", c.PgConn().TxStatus())
			}
			if err := exec("SELECT 1"); sqlstate(err) != "25P02" {
				t.Errorf("error %v, want 25P02", err)
			}
			if tag, err := c.Exec(ctx, "COMMIT"); err != nil && !errors.Is(err, pgx.ErrTxCommitRollback) || tag.String() != "ROLLBACK" {
				t.Errorf("COMMIT: %q %v", tag, err)
			}
			equal(t, "keys left", e.keys(), before)
			if n := len(e.entries(journal.Filter{Outcome: journal.Committed})); n != 0 {
				t.Errorf("%d committed entries", n)
			}
		})
	}
}

func TestTransaction_LimitCountsAllStatements(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			ctx := context.Background()
			e := newEnv(t, blockPolicy(), shop)
			c := e.connect(m)
			if _, err := c.Exec(ctx, "BEGIN"); err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= 10; i++ {
				if _, err := c.Exec(ctx, "DELETE FROM plain WHERE id = $1", i); err != nil {
					t.Fatal(i, err)
				}
			}
			_, err := c.Exec(ctx, "DELETE FROM plain WHERE id = $1", 11)
			if sqlstate(err) != "RB001" || !strings.Contains(err.Error(), "transaction to 11 rows (plain 11)") {
				t.Fatalf("error %v", err)
			}
		})
	}
}

func TestSavepoint_RolledBackKeysAreForgotten(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			ctx := context.Background()
			e := newEnv(t, blockPolicy(), shop)
			before := e.keys()
			c := e.connect(m)
			for _, sql := range []string{
				"BEGIN", "SAVEPOINT zero", "DELETE FROM plain WHERE id = 90", "ROLLBACK TO zero",
				"DELETE FROM plain WHERE id = 1", "SAVEPOINT a", "DELETE FROM plain WHERE id BETWEEN 2 AND 4",
				"SAVEPOINT b", "DELETE FROM plain WHERE id = 5", "ROLLBACK TO SAVEPOINT b", "DELETE FROM plain WHERE id = 6",
				"ROLLBACK TO a", "DELETE FROM plain WHERE id = 7", "RELEASE a", "COMMIT",
			} {
				if _, err := c.Exec(ctx, sql); err != nil {
					t.Fatal(sql, err)
				}
			}
			equal(t, "journalled keys", e.journalled(), minus(before, e.keys()))
			equal(t, "keys gone", minus(before, e.keys()), []string{"plain 1", "plain 7"})
		})
	}
}

func TestRollback_LeavesNoEntry(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, blockPolicy(), shop)
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id = 1", "ROLLBACK"} {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if es := e.entries(journal.Filter{}); len(es) != 0 {
		t.Errorf("entries %+v", es)
	}
}

func TestSetNull_OldLinksAreJournalled(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop)
	c := e.connect(pgx.QueryExecModeExec)
	if _, err := c.Exec(context.Background(), "DELETE FROM orders WHERE id IN (3, 4)"); err != nil {
		t.Fatal(err)
	}
	x := e.entries(journal.Filter{})[0]
	var got []string
	for row, err := range e.journal.Rows(context.Background(), x.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if tb := x.Tables[row.Table]; tb.Via == journal.SetNull {
			got = append(got, tb.Name+" "+*row.Values[0]+" "+tb.Old[0].Name+"="+*row.Values[1])
		}
	}
	equal(t, "links cut", got, []string{"notes 3 order_id=3", "notes 4 order_id=4"})
	if x.Rows != 10 { // 2 orders, 4 payments, 4 refunds
		t.Errorf("%d rows, want 10: the cut links are not removals", x.Rows)
	}
}

// Two links of one table to another are two links, each with its own old values.
func TestSetNull_TwoLinksOfOneTableAreApart(t *testing.T) {
	e := newEnv(t, alertPolicy(), `CREATE TABLE p (id int PRIMARY KEY);
		CREATE TABLE c (id int PRIMARY KEY, a int REFERENCES p ON DELETE SET NULL, b int REFERENCES p ON DELETE SET NULL, d int DEFAULT 9 REFERENCES p ON DELETE SET DEFAULT);
		INSERT INTO p SELECT generate_series(1, 9); INSERT INTO c VALUES (1, 3, 4, 3), (2, 4, 5, 4)`)
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"BEGIN", "DELETE FROM p WHERE id = 3", "DELETE FROM p WHERE id = 4", "COMMIT"} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	x := e.entries(journal.Filter{})[0]
	var got []string
	for row, err := range e.journal.Rows(t.Context(), x.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if tb := x.Tables[row.Table]; len(tb.Old) > 0 {
			got = append(got, string(tb.Via)+" "+*row.Values[0]+" "+tb.Old[0].Name+"="+*row.Values[1])
		}
	}
	slices.Sort(got)
	equal(t, "links cut", got, []string{"set_default 1 d=3", "set_default 2 d=4", "set_null 1 a=3", "set_null 1 b=4", "set_null 2 a=4"})
}

func sqlstate(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}

// Rows without a key that stay, with their link cut, are counted at least.
func TestSetNull_WithoutKeyIsCounted(t *testing.T) {
	e := newEnv(t, captured(policy.Uniform(policy.Block, 10)),
		`CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p ON DELETE SET NULL, v int);
		CREATE TABLE d (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
		INSERT INTO p SELECT generate_series(1, 5); INSERT INTO c SELECT 1 + i % 3, 7 FROM generate_series(1, 9) i; INSERT INTO d SELECT i, i FROM generate_series(1, 5) i`)
	c := e.connect(pgx.QueryExecModeExec)
	if _, err := c.Exec(t.Context(), "DELETE FROM p WHERE id IN (1, 5)"); err != nil {
		t.Fatal(err)
	}
	got := e.entries(journal.Filter{})[0]
	if got.Rows != 4 || len(got.Tables) != 3 {
		t.Fatalf("%+v", got)
	}
	for _, x := range got.Tables {
		if want := x.Name != "c"; x.KeysCaptured != want || x.Name == "c" && (x.Rows != 3 || x.Via != journal.SetNull || x.Why == "") {
			t.Errorf("%+v", x)
		}
	}
	equal(t, "journalled", e.journalled(), []string{"d 1", "d 5", "p 1", "p 5"})
	if _, err := c.Exec(t.Context(), "DELETE FROM p WHERE id = 4"); err != nil {
		t.Fatal(err)
	}
	if got := e.entries(journal.Filter{})[0]; len(got.Tables) != 2 {
		t.Errorf("no link was cut: %+v", got)
	}
}

func TestSetNull_ARowMovedToAnotherPartitionIsNotRemoved(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop, `CREATE TABLE lp (id int, o int REFERENCES orders ON DELETE SET NULL) PARTITION BY LIST (o);
		CREATE TABLE lp0 PARTITION OF lp FOR VALUES IN (NULL); CREATE TABLE lp1 PARTITION OF lp DEFAULT; INSERT INTO lp SELECT i, i FROM generate_series(1, 9) i`)
	if _, err := e.connect(pgx.QueryExecModeExec).Exec(context.Background(), "DELETE FROM orders WHERE id = 3"); err != nil {
		t.Fatal(err)
	}
	if x := e.entries(journal.Filter{})[0]; x.Rows != 5 {
		t.Errorf("%d rows, want 5: an order, two payments, two refunds", x.Rows)
	}
}
