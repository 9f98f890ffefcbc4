package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// ruled is a policy whose default allows everything in block mode, with rules before it.
func ruled(rules ...policy.Rule) policy.Policy {
	p := policy.Uniform(policy.Block, policy.Unlimited)
	for _, r := range rules {
		if r.Mode == "" {
			r.Mode = policy.Block
		}
		if r.Uncaptured == "" {
			r.Uncaptured, r.Uncountable = policy.Allow, policy.Refuse
		}
		p.Rules = append(p.Rules, r)
	}
	return p
}

// free is a rule without limits, to be narrowed down.
func free(name string) policy.Rule {
	return policy.Rule{Name: name, Statement: policy.Unlimited, Transaction: policy.Unlimited}
}

// exec runs statements in simple and in extended form, each in an env of its own.
func eachForm(t *testing.T, p policy.Policy, setup []string, f func(t *testing.T, e *env, c *pgx.Conn)) {
	for _, mode := range []string{"simple", "named"} {
		t.Run(mode, func(t *testing.T) {
			e := newEnv(t, p, setup...)
			f(t, e, e.connect(modes[mode]))
		})
	}
}

func run(t *testing.T, c *pgx.Conn, sql string) error {
	t.Helper()
	_, err := c.Exec(context.Background(), sql)
	return err
}

// refused is the error of a statement that is blocked, with words in its message.
func refused(t *testing.T, c *pgx.Conn, sql string, words ...string) *pgconn.PgError {
	t.Helper()
	err := run(t, c, sql)
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "RB001" {
		t.Fatalf("%s: %v, want RB001", sql, err)
	}
	for _, w := range words {
		if !strings.Contains(pe.Message, w) {
			t.Errorf("%s: message %q lacks %q", sql, pe.Message, w)
		}
	}
	return pe
}

func passes(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if err := run(t, c, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestRules_EachTableByItsOwn(t *testing.T) {
	refunds := free("money")
	refunds.Match.Tables, refunds.Statement = []string{"refunds"}, 5
	eachForm(t, ruled(refunds), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		before := e.keys()
		pe := refused(t, c, "DELETE FROM orders WHERE id <= 3", "would remove 15 rows", `of which 6 rows (refunds 6) fall under the rule "money", limit 5`)
		if !strings.Contains(pe.Hint, "rowback allow --rows") || !strings.Contains(pe.Hint, "--table orders") {
			t.Errorf("hint %q", pe.Hint)
		}
		equal(t, "keys", e.keys(), before)
		passes(t, c, "DELETE FROM orders WHERE id <= 2")
		passes(t, c, "DELETE FROM plain")
		if es := e.entries(journal.Filter{Outcome: journal.Blocked}); len(es) != 1 || es[0].Rule != "money" {
			t.Errorf("entries %+v", es)
		}
	})
}

// Whatever limit it is, the message has all that the statement, or the transaction,
// removes, and which rule judges which part of it.
func TestRules_WhoseRowsAreOverTheLimit(t *testing.T) {
	wide, hourly, hundredth := free("wide"), free("hourly"), free("hundredth")
	wide.Match.Tables, hourly.Match.Tables, hundredth.Match.Tables = []string{"orders"}, []string{"orders"}, []string{"orders"}
	hourly.Windows = []policy.Window{{Rows: 2, Per: time.Hour}}
	hundredth.Fraction, hundredth.FractionMin = 0.01, 1
	strict := ruled(wide)
	strict.Default = policy.Uniform(policy.Block, 5).Default
	within := policy.Uniform(policy.Block, 5)
	within.Default.Statement = policy.Unlimited
	within.Rules = []policy.Rule{wide}
	for want, p := range map[string]policy.Policy{
		"would remove 15 rows (orders 3, payments 6, refunds 6), of which 12 rows (payments 6, refunds 6) fall under the default rule, limit 5":                                        strict,
		"would bring the rows removed by this transaction to 15 rows (orders 3, payments 6, refunds 6), of which 12 rows (payments 6, refunds 6) fall under the default rule, limit 5": within,
		`would remove 15 rows (orders 3, payments 6, refunds 6), of which 3 rows (orders 3) fall under the rule "hourly": 3 within 1h, limit 2`:                                        ruled(hourly),
		`would remove 15 rows (orders 3, payments 6, refunds 6), of which 3 rows (orders 3) fall under the rule "hundredth", at least 3% of orders, limit 1%`:                          ruled(hundredth),
	} {
		e := newEnv(t, p, shop)
		refused(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM orders WHERE id <= 3", want)
	}
}

func TestRules_OffIsNeitherJudgedNorKept(t *testing.T) {
	off := free("scratch")
	off.Mode, off.Match.Tables = policy.Off, []string{"plain"}
	p := ruled(off)
	p.Default.Statement, p.Default.Transaction = 0, 0
	eachForm(t, p, []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "DELETE FROM plain WHERE id < 50")
		refused(t, c, "DELETE FROM tree WHERE id = 31", "limit 0")
		if es := e.entries(journal.Filter{Outcome: journal.Committed}); len(es) != 0 {
			t.Errorf("entries %+v", es)
		}
	})
}

func TestRules_OffSessionsComeBack(t *testing.T) {
	off := policy.Uniform(policy.Off, 0)
	eachForm(t, off, []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "DELETE FROM plain WHERE id = 1")
		passes(t, c, "PREPARE wipe AS DELETE FROM tree")
		if err := e.judge.SetPolicy(t.Context(), policy.Uniform(policy.Block, 3)); err != nil {
			t.Fatal(err)
		}
		refused(t, c, "EXECUTE wipe")
		refused(t, c, "DELETE FROM plain")
		passes(t, c, "DELETE FROM plain WHERE id <= 4")
	})
}

func TestRules_ByUserApplicationAndNetwork(t *testing.T) {
	app := free("app")
	app.Match.Applications, app.Statement = []string{"batch*"}, 1
	other := free("elsewhere")
	other.Match.Users, other.Statement = []string{"nobody"}, 0
	eachForm(t, ruled(other, app), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "DELETE FROM plain WHERE id <= 2")
		passes(t, c, "SET application_name = 'batch 7'")
		refused(t, c, "DELETE FROM plain WHERE id <= 4", `rule "app"`)
	})
}

func TestRules_WhereRequired(t *testing.T) {
	r := free("careful")
	r.WhereRequired, r.Updates = true, true
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		for _, sql := range []string{"DELETE FROM plain", "DELETE FROM plain WHERE true", "UPDATE plain SET a = 'x'"} {
			refused(t, c, sql, "needs a WHERE")
		}
		passes(t, c, "DELETE FROM plain WHERE id <= 90")
		passes(t, c, "UPDATE plain SET a = 'x' WHERE id > 0")
	})
}

func TestRules_RefusedVerbs(t *testing.T) {
	r := free("no")
	r.Match.Tables, r.Refuse = []string{"plain", "parted", "empty"}, []policy.Verb{policy.Truncate, policy.Drop, policy.DropColumn, policy.Detach, policy.Merge, policy.Call}
	setup := `CREATE TABLE parted (id int) PARTITION BY LIST (id); CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1);
		CREATE TABLE empty (id int, x int); CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM plain WHERE id = 1'`
	eachForm(t, ruled(r), []string{shop, setup}, func(t *testing.T, e *env, c *pgx.Conn) {
		for _, sql := range []string{
			"TRUNCATE plain", "DROP TABLE plain", "ALTER TABLE plain DROP COLUMN a", "ALTER TABLE parted DETACH PARTITION part1",
			"MERGE INTO plain USING tree ON plain.id = tree.id WHEN MATCHED THEN DELETE", "CALL p()", "DO 'BEGIN DELETE FROM plain; END'",
		} {
			refused(t, c, sql, "is refused")
		}
		passes(t, c, "ALTER TABLE empty DROP COLUMN x")
		passes(t, c, "DELETE FROM plain WHERE id = 1")
	})
}

func TestRules_FractionOfTheTable(t *testing.T) {
	r := free("tenth")
	r.Fraction, r.FractionMin, r.Updates = 0.1, 50, true
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "DELETE FROM plain WHERE id <= 10") // of 100
		refused(t, c, "DELETE FROM plain WHERE id <= 20", "10 rows (plain 10)", "11.1% of plain", "limit 10%")
		passes(t, c, "DELETE FROM tree WHERE id > 20") // of fewer than 50
		passes(t, c, "UPDATE plain SET id = id WHERE id <= 19")
		refused(t, c, "UPDATE plain SET id = id WHERE id <= 20", "would change 10 rows (plain 10)", "11.1% of plain", "limit 10%")
		refused(t, c, "DELETE FROM orders WHERE id <= 11", "11% of orders")
	})
}

func TestRules_ARefusedDeleteIsFoundInsideOthers(t *testing.T) {
	r := free("no deletes")
	r.Match.Tables, r.Refuse = []string{"plain"}, []policy.Verb{policy.Delete}
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		for _, sql := range []string{
			"DELETE FROM plain WHERE id = 1", "WITH d AS (DELETE FROM plain WHERE id = 1 RETURNING id) SELECT * FROM d",
			"EXPLAIN ANALYZE DELETE FROM plain WHERE id = 1", "COPY (DELETE FROM plain WHERE id = 1 RETURNING id) TO STDOUT",
		} {
			refused(t, c, sql, "is refused")
		}
		passes(t, c, "DELETE FROM tree WHERE id = 31")
	})
}

func TestWindows_ManySmallOnes(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Minute, By: []policy.Dimension{policy.ByTable, policy.ByUser}}}
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "DELETE FROM plain WHERE id <= 6")
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM plain WHERE id <= 10")
		passes(t, c, "ROLLBACK") // gives its rows back
		passes(t, c, "DELETE FROM tree WHERE id > 25")
		refused(t, c, "DELETE FROM plain WHERE id <= 11", "11 within 1m, limit 10 for each table and user")
		other := e.connect(pgx.QueryExecModeExec)
		passes(t, other, "BEGIN")
		passes(t, other, "DELETE FROM plain WHERE id <= 8") // under way counts, too
		refused(t, c, "DELETE FROM plain WHERE id BETWEEN 50 AND 52", "11 within")
		passes(t, other, "COMMIT")
		e.clock.advance(50 * time.Second)
		refused(t, c, "DELETE FROM plain WHERE id BETWEEN 50 AND 52", "11 within")
		e.clock.advance(20 * time.Second)
		passes(t, c, "DELETE FROM plain WHERE id BETWEEN 50 AND 52")
		e.start(ruled(r), e.journal) // a new proxy knows what the last one let through
		again := e.connect(pgx.QueryExecModeExec)
		refused(t, again, "DELETE FROM plain WHERE id <= 16", "11 within")
	})
}

// What went without leave counts for the next proxy, whatever else its transaction had leave for.
func TestWindows_PartOfATransactionWasAllowed(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Minute, By: []policy.Dimension{policy.ByTable}}}
	e := newEnv(t, ruled(r), shop)
	c := e.connect(pgx.QueryExecModeExec)
	passes(t, c, "BEGIN")
	passes(t, c, "DELETE FROM plain WHERE id <= 6")
	e.grant(journal.Allowance{Rows: 40, Tables: []string{"tree"}})
	passes(t, c, "DELETE FROM tree")
	passes(t, c, "COMMIT")
	refused(t, c, "DELETE FROM plain WHERE id BETWEEN 7 AND 15", "15 within 1m, limit 10")
	e.start(ruled(r), e.journal)
	again := e.connect(pgx.QueryExecModeExec)
	passes(t, again, "DELETE FROM plain WHERE id BETWEEN 7 AND 10")
	refused(t, again, "DELETE FROM plain WHERE id = 11", "11 within 1m, limit 10")
}

// What a savepoint takes back, a refused statement too, is in nobody's way.
func TestWindows_ASavepointTakesBack(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Hour, By: []policy.Dimension{policy.ByTable}}}
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		other := e.connect(pgx.QueryExecModeExec)
		passes(t, c, "BEGIN")
		passes(t, c, "SAVEPOINT a")
		passes(t, c, "DELETE FROM plain WHERE id <= 9")
		refused(t, other, "DELETE FROM plain WHERE id BETWEEN 51 AND 55", "14 within")
		passes(t, c, "ROLLBACK TO a")
		passes(t, other, "DELETE FROM plain WHERE id BETWEEN 51 AND 55")
		refused(t, c, "DELETE FROM tree", "31 within")
		passes(t, other, "DELETE FROM tree WHERE id = 31") // though the block is open still
		passes(t, c, "ROLLBACK TO a")
		passes(t, c, "DELETE FROM tree WHERE id > 25")
		passes(t, c, "COMMIT")
		passes(t, c, "DELETE FROM plain WHERE id <= 5")
		refused(t, c, "DELETE FROM plain WHERE id = 6", "11 within")
		refused(t, c, "DELETE FROM tree WHERE id > 19", "12 within")
	})
}

// What was judged by a rule counts by it, and has an entry, whatever the session is called when it commits.
func TestWindows_ByTheRuleThatJudged(t *testing.T) {
	batch := free("batch")
	batch.Match.Applications, batch.Mode = []string{"batch"}, policy.Off
	p := ruled(batch)
	p.Default = free(policy.DefaultName)
	p.Default.Windows = []policy.Window{{Rows: 10, Per: time.Hour}}
	eachForm(t, p, []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM plain WHERE id <= 9")
		passes(t, c, "SAVEPOINT a")
		passes(t, c, "SET LOCAL application_name = 'batch'")
		passes(t, c, "DELETE FROM plain WHERE id BETWEEN 81 AND 99") // unjudged
		passes(t, c, "ROLLBACK TO a")
		passes(t, c, "SET LOCAL application_name = 'batch'")
		passes(t, c, "COMMIT")
		refused(t, c, "DELETE FROM plain WHERE id BETWEEN 10 AND 11", "11 within")
		passes(t, c, "DELETE FROM plain WHERE id = 10")
		equal(t, "journalled", e.journalled(), []string{"plain 1", "plain 10", "plain 2", "plain 3", "plain 4", "plain 5", "plain 6", "plain 7", "plain 8", "plain 9"})
		e.setPolicy(p)
		refused(t, c, "DELETE FROM plain WHERE id = 11", "11 within")
	})
}

// UPDATEs that were let through count for windows that are begun anew.
func TestWindows_UpdatesByLeave(t *testing.T) {
	r := free("held")
	r.Mode, r.HoldFor, r.Updates, r.WhereRequired, r.Windows = policy.Hold, time.Minute, true, true, []policy.Window{{Rows: 100, Per: time.Hour}}
	e := newEnv(t, ruled(r), shop)
	h := e.startHeld(pgx.QueryExecModeExec, nil, "UPDATE plain SET a = 'x'")
	e.decide(e.waiting().ID, journal.Granted, "")
	if err := <-h.done; err != nil {
		t.Fatal(err)
	}
	e.setPolicy(ruled(r))
	h = e.startHeld(pgx.QueryExecModeExec, nil, "UPDATE plain SET a = 'y' WHERE id = 1")
	w := e.waiting()
	if !strings.Contains(w.What, "101 within 1h") {
		t.Errorf("held: %s", w.What)
	}
	e.decide(w.ID, journal.Denied, "")
	wantCode(t, <-h.done, "RB001")
}

func TestRules_TemporaryTablesWhereTheyCount(t *testing.T) {
	r := free("temp")
	r.Temporary, r.Statement = true, 10
	p := ruled(r)
	eachForm(t, p, []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "CREATE TEMP TABLE x AS SELECT generate_series(1, 100) id")
		refused(t, c, "DELETE FROM x", "100 rows", "limit 10")
		passes(t, c, "DELETE FROM x WHERE id <= 10")
		r.Temporary = false
		if err := e.judge.SetPolicy(t.Context(), ruled(r)); err != nil {
			t.Fatal(err)
		}
		passes(t, c, "DELETE FROM x")
		r.Temporary = true
	})
}
