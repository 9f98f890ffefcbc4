package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// An operator's yes is for the rows that were shown, where all could be.
func TestHold_AsksAgainWhenThereAreMoreRows(t *testing.T) {
	p := holdPolicy()
	wide := free("wide")
	wide.Mode, wide.Statement, wide.Match.Tables = policy.Hold, 1000, []string{"refunds"}
	wide.Uncaptured, wide.Uncountable = policy.Allow, policy.Refuse
	p.Rules = append(p.Rules, wide)
	for _, sql := range []string{"TRUNCATE plain", "DELETE FROM orders"} { // counted beforehand, and probed for as much as the wide rule allows
		t.Run(sql, func(t *testing.T) {
			e := newEnv(t, p, shop, "DELETE FROM orders WHERE id > 12")
			h := e.startHeld(pgx.QueryExecModeSimpleProtocol, nil, sql)
			first := e.waiting()
			mustExec(t, connect(t, e.direct, pgx.QueryExecModeExec), "INSERT INTO plain SELECT generate_series(1001, 1020); INSERT INTO orders (id) SELECT generate_series(1001, 1020)")
			e.decide(first.ID, journal.Granted, "")
			second := e.waiting()
			if second.Rows <= first.Rows || second.AtLeast {
				t.Errorf("held for %d rows, then for %+v", first.Rows, second)
			}
			e.decide(second.ID, journal.Granted, "")
			if err := <-h.done; err != nil {
				t.Fatal(err)
			}
			if es := e.entries(journal.Filter{Outcome: journal.Committed}); len(es) != 1 || es[0].Rows < second.Rows {
				t.Errorf("entries %+v", es)
			}
		})
	}
}

func TestRules_FractionCountsMarkedRowsOnce(t *testing.T) {
	r := free("most")
	r.Fraction, r.SoftDelete = 0.6, []string{"gone"}
	eachForm(t, ruled(r), []string{shop, "ALTER TABLE plain ADD gone bool"}, func(t *testing.T, e *env, c *pgx.Conn) {
		refused(t, c, "UPDATE plain SET gone = true", "100% of plain")
		passes(t, c, "UPDATE plain SET gone = true WHERE id <= 60")
	})
}

func TestRules_WhereIsRequiredInsideOthers(t *testing.T) {
	r := free("careful")
	r.WhereRequired, r.Match.Tables = true, []string{"plain"}
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		for _, sql := range []string{"WITH d AS (DELETE FROM plain RETURNING id) SELECT * FROM d", "EXPLAIN ANALYZE DELETE FROM plain", "COPY (DELETE FROM plain RETURNING id) TO STDOUT"} {
			refused(t, c, sql, "needs a WHERE")
		}
		passes(t, c, "WITH d AS (DELETE FROM plain WHERE id < 3 RETURNING id) SELECT * FROM d")
		passes(t, c, "WITH d AS (DELETE FROM tree RETURNING id) SELECT * FROM d")
	})
}

// What is prepared is planned anew under new rules.
func TestRules_NewOnesHoldForWhatIsPrepared(t *testing.T) {
	soft := func(table, column string) policy.Policy {
		r := free("soft")
		r.SoftDelete, r.Statement, r.Match.Tables = []string{column}, 5, []string{table}
		return ruled(r)
	}
	for _, old := range []policy.Policy{soft("tree", "gone"), soft("plain", "hidden")} {
		e := newEnv(t, old, shop, "ALTER TABLE plain ADD gone bool, ADD hidden bool; ALTER TABLE tree ADD gone bool")
		c := e.connect(pgx.QueryExecModeCacheStatement)
		ctx := t.Context()
		mark := func() error {
			_, err := c.Exec(ctx, "UPDATE plain SET gone = true WHERE id <= $1", 6)
			return err
		}
		if err := mark(); err != nil {
			t.Fatal(err)
		}
		if err := e.judge.SetPolicy(ctx, soft("plain", "gone")); err != nil {
			t.Fatal(err)
		}
		if err := mark(); err == nil || !strings.Contains(err.Error(), "RB001") {
			t.Errorf("%v", err)
		}
	}
}

// A look at the catalog, which another session has changed, must not come
// between BEGIN and what has to come before the first snapshot.
func TestSession_LooksAtTheCatalogOnlyWhereItMay(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			c, other := e.connect(m), e.connect(pgx.QueryExecModeExec)
			passes(t, c, "BEGIN")
			passes(t, other, "CREATE TABLE made ()")
			passes(t, c, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
			passes(t, c, "LOCK TABLE plain IN SHARE MODE")
			passes(t, c, "DELETE FROM plain WHERE id = 1")
			passes(t, c, "COMMIT")
		})
	}
}

func TestTransaction_KeepsABoundedNumberOfStatements(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, policy.Unlimited), shop, "INSERT INTO plain SELECT generate_series(1001, 3000)")
	var b strings.Builder
	for i := 1001; i <= 2500; i++ {
		fmt.Fprintf(&b, "DELETE FROM plain WHERE id = %d;", i)
	}
	passes(t, e.connect(pgx.QueryExecModeSimpleProtocol), b.String())
	es := e.entries(journal.Filter{})
	if len(es) != 1 || es[0].Rows != 1500 || len(e.journalled()) != 1500 {
		t.Fatalf("%d entries, %d keys", len(es), len(e.journalled()))
	}
	st := es[0].Statements
	if n := len(st); n != 1001 || st[n-1].Tag != "DELETE 500" || st[n-1].SQL != "(further statements)" {
		t.Errorf("%d statements, the last %+v", n, st[n-1])
	}
}

// The text of a statement need not be UTF-8; an entry's is.
func TestEntry_OfAnotherEncoding(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	talk(t, e.url, []messages{q("SET client_encoding = 'LATIN1'"), q("DELETE FROM plain WHERE id = 1 OR a = '\xe9'")}, e.database)
	es := e.entries(journal.Filter{Outcome: journal.Committed})
	if len(es) != 1 || es[0].Rows != 1 || es[0].Statements[0].SQL != "DELETE FROM plain WHERE id = 1 OR a = '\uFFFD'" {
		t.Errorf("entries %+v", es)
	}
}
