package guard_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func (e *env) setPolicy(p policy.Policy) {
	e.t.Helper()
	if err := e.judge.SetPolicy(context.Background(), p); err != nil {
		e.t.Fatal(err)
	}
}

// What was prepared, bound or begun while nothing was judged is known all the same.
func TestReload_FromOffFindsWhatWasPreparedBefore(t *testing.T) {
	for _, name := range []string{"", "wipe"} {
		t.Run("statement "+name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Off, 0), shop)
			e.setPolicy(policy.Uniform(policy.Block, 3))
			passes(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM tree WHERE id = 31") // another session has read the catalog
			e.setPolicy(policy.Uniform(policy.Off, 0))
			r := dialRaw(t, e.url)
			for _, m := range cat(parse(name, "DELETE FROM plain"), syncMsg) {
				r.Send(m)
			}
			r.answers(1)
			e.setPolicy(policy.Uniform(policy.Block, 3))
			for _, m := range cat(bind("", name), execute("", 0), syncMsg) {
				r.Send(m)
			}
			r.answers(1)
			if n := countRows(t, e, "SELECT count(*) FROM plain"); n != 100 {
				t.Errorf("%d rows left", n)
			}
		})
	}
}

func TestReload_FromOffLeavesAnOpenTransactionItsPolicy(t *testing.T) {
	eachForm(t, policy.Uniform(policy.Off, 0), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM plain WHERE id <= 10")
		e.setPolicy(policy.Uniform(policy.Block, 3))
		passes(t, c, "DELETE FROM plain WHERE id <= 20")
		passes(t, c, "COMMIT")
		refused(t, c, "DELETE FROM plain WHERE id <= 30")
		passes(t, c, "BEGIN")
		refused(t, c, "DELETE FROM plain WHERE id <= 30")
		passes(t, c, "ROLLBACK")
	})
}

func TestReload_UpdatesPreparedBeforeTheyCount(t *testing.T) {
	e := newEnv(t, ruled(), shop)
	passes(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM tree WHERE id = 31") // another session has read the catalog
	c := e.connect(pgx.QueryExecModeExec)
	if _, err := c.Prepare(t.Context(), "change", "UPDATE plain SET a = 'x'"); err != nil {
		t.Fatal(err)
	}
	r := free("updates")
	r.Updates, r.Statement = true, 20
	e.setPolicy(ruled(r))
	refused(t, c, "change", "UPDATE would change 100 rows")
}

func TestAllowance_IsDrawnOnceForSeveralRules(t *testing.T) {
	money, rest := free("money"), free("rest")
	money.Match.Tables, money.Statement, rest.Statement = []string{"refunds"}, 5, 5
	eachForm(t, ruled(money, rest), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		id := e.grant(journal.Allowance{Rows: 40, Tables: []string{"orders"}})
		refused(t, c, "DELETE FROM orders WHERE id <= 10") // 20 refunds, 30 others
		passes(t, c, "DELETE FROM orders WHERE id <= 8")
		e.wantUsed(id, 40, 1)
	})
}

func TestUpdates_InTheirOwnWithCountToo(t *testing.T) {
	r := free("updates")
	r.Updates, r.Statement = true, 20
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		refused(t, c, "WITH u AS (UPDATE plain SET a = 'x' RETURNING id) UPDATE orders SET kind = 'y' WHERE id = 1", "101 rows")
		passes(t, c, "WITH u AS (UPDATE plain SET a = 'x' WHERE id < 10 RETURNING id) UPDATE orders SET kind = 'y' WHERE id = 1")
	})
}

// … also where these have other times or tables under the same name.
func TestReload_AmidATransactionUnderTheSameName(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Minute}}
	e := newEnv(t, ruled(r), shop)
	c, other := e.connect(pgx.QueryExecModeExec), e.connect(pgx.QueryExecModeExec)
	passes(t, c, "DELETE FROM plain WHERE id <= 8")
	e.clock.advance(30 * time.Minute)
	passes(t, other, "BEGIN")
	passes(t, other, "DELETE FROM plain WHERE id = 9")
	r.Windows[0].Per = time.Hour
	e.setPolicy(ruled(r))
	refused(t, c, "DELETE FROM plain WHERE id BETWEEN 10 AND 14", "14 within 1h")
	passes(t, other, "COMMIT")
	refused(t, c, "DELETE FROM plain WHERE id BETWEEN 10 AND 14", "14 within 1h")
}

// What was bound in captured form is answered as the client's own, though nothing is judged any more.
func TestReload_ToOffBetweenBindAndExecute(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	exchange := func(url string, between func()) []string {
		r := dialRaw(t, url)
		for _, m := range cat(parse("", "DELETE FROM plain WHERE id = 1"), bind("", ""), messages{&pgproto3.Flush{}}) {
			r.Send(m)
		}
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		for range 2 { // ParseComplete, BindComplete
			if _, err := r.Receive(); err != nil {
				t.Fatal(err)
			}
		}
		between()
		for _, m := range cat(describe('P', ""), execute("", 0), syncMsg) {
			r.Send(m)
		}
		return r.answers(1)
	}
	got := exchange(e.url, func() { e.setPolicy(policy.Uniform(policy.Off, 0)) })
	pgtest.Exec(t, e.direct, "INSERT INTO plain (id) VALUES (1)")
	equal(t, "answers", got, exchange(e.direct, func() {}))
}

// Windows are begun anew beside what goes on: nobody waits for that, and what commits meanwhile counts once.
func TestReload_DeletesDoNotWaitForTheJournal(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Hour}}
	e := newEnv(t, ruled(r), shop)
	j := &paused{Journal: e.journal, reads: make(chan chan struct{}, 1)}
	e.start(ruled(r), j)
	c := e.connect(pgx.QueryExecModeExec)
	for _, when := range []string{"before the journal is read", "after"} {
		goOn := make(chan struct{})
		j.reads <- goOn
		j.late.Store(when == "after")
		done := make(chan error)
		go func() { done <- e.judge.SetPolicy(context.Background(), ruled(r)) }()
		<-goOn // it reads
		passes(t, c, "DELETE FROM plain WHERE id IN (SELECT id FROM plain ORDER BY id LIMIT 5)")
		goOn <- struct{}{}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	refused(t, c, "DELETE FROM plain WHERE id = 50", "11 within 1h")
}

// paused is a journal whose readers of entries wait, before or after they read.
type paused struct {
	journal.Journal
	reads chan chan struct{}
	late  atomic.Bool
}

func (j *paused) Entries(ctx context.Context, f journal.Filter) iter.Seq2[*journal.Entry, error] {
	wait := func(now bool) {
		select {
		case goOn := <-j.reads:
			if !now {
				j.reads <- goOn
				return
			}
			goOn <- struct{}{}
			<-goOn
		default:
		}
	}
	return func(yield func(*journal.Entry, error) bool) {
		wait(!j.late.Load())
		var all []*journal.Entry
		for e, err := range j.Journal.Entries(ctx, f) {
			if err != nil {
				yield(nil, err)
				return
			}
			all = append(all, e)
		}
		wait(j.late.Load())
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A transaction that is open counts in the windows of rules that come meanwhile.
func TestReload_AmidATransaction(t *testing.T) {
	eachForm(t, blockPolicy(), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM plain WHERE id <= 9")
		r := free("another")
		r.Windows = []policy.Window{{Rows: 12, Per: time.Hour}}
		e.setPolicy(ruled(r))
		passes(t, c, "SAVEPOINT a")
		refused(t, c, "DELETE FROM plain WHERE id <= 13", "13 within 1h")
		passes(t, c, "ROLLBACK TO a")
		passes(t, c, "COMMIT")
		refused(t, c, "DELETE FROM plain WHERE id <= 13", "13 within 1h")
		passes(t, c, "DELETE FROM plain WHERE id <= 12")
	})
}
