package guard_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// hangs is a control connection to a server that does not answer.
func hangs(ctx context.Context, _ string) (catalog.Querier, func(), error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

// startRunning is start with a Judge that runs.
func (e *env) startRunning(o guard.Options) {
	t := e.t
	t.Helper()
	o.Policy, o.Proxy, o.Now = blockPolicy(), "test", e.clock.now
	o.Logger = slog.New(slog.NewTextHandler(testWriter{t, &e.logs}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	judge, err := guard.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { judge.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	addr, _ := startProxyUnder(t, nil, pgtest.Shared(t).Addr(), judge, o.Logger)
	e.judge, e.url = judge, fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, e.database)
}

// prepared leaves an entry in doubt until the test ends.
func (e *env) prepared(c *pgx.Conn, sql string) {
	e.t.Helper()
	for _, sql := range []string{"BEGIN", sql, "PREPARE TRANSACTION '" + e.database + "'"} {
		mustExec(e.t, c, sql)
	}
	e.t.Cleanup(func() { pgtest.Exec(e.t, e.direct, "ROLLBACK PREPARED '"+e.database+"'") })
}

// awaitJudged returns once a function that deletes, which was made past the proxy, is refused.
func (e *env) awaitJudged(c *pgx.Conn, call string) {
	e.t.Helper()
	for deadline := time.Now().Add(pollTime); ; time.Sleep(time.Millisecond) {
		mustExec(e.t, c, "BEGIN")
		err := run(e.t, c, call)
		mustExec(e.t, c, "ROLLBACK")
		if err != nil {
			wantCode(e.t, err, "RB001")
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatal("the function deletes unjudged")
		}
	}
}

const tidies = "CREATE OR REPLACE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'DELETE FROM plain'"

// What is done over a control connection keeps nobody from looking at the catalog.
func TestRun_TheControlConnectionHangs(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, "CREATE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'SELECT'")
	e.startRunning(guard.Options{Journal: e.journal, Refresh: 10 * time.Millisecond, Control: hangs})
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	passes(t, c, "SELECT tidy()")
	e.prepared(c, "DELETE FROM tree WHERE id = 31")
	pgtest.Exec(t, e.direct, tidies)
	e.awaitJudged(c, "SELECT tidy()")
}

// hanging is a shared journal that does not answer while it is away.
type hanging struct {
	journal.Journal
	away  atomic.Bool
	asked atomic.Int32
}

func (j *hanging) wait(ctx context.Context) error {
	if !j.away.Load() {
		return nil
	}
	j.asked.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

func (j *hanging) Entry(ctx context.Context, id string) (*journal.Entry, error) {
	if err := j.wait(ctx); err != nil {
		return nil, err
	}
	return j.Journal.Entry(ctx, id)
}

func (j *hanging) Identity() string { return "hanging" }

func (j *hanging) Alive(ctx context.Context) (map[string]bool, error) {
	return map[string]bool{"test": true}, j.wait(ctx)
}

func (j *hanging) Count(ctx context.Context, _ string, counts []journal.Count) ([]int64, error) {
	return make([]int64, len(counts)), j.wait(ctx)
}

func (j *hanging) EndCount(ctx context.Context, _ string, _ bool) error { return j.wait(ctx) }

func (j *hanging) Recount(ctx context.Context, _ []string, _ func() ([]journal.PastCount, error)) error {
	return j.wait(ctx)
}

func (j *hanging) KeepCounts(ctx context.Context, _ []string) error { return j.wait(ctx) }

// A journal that does not answer keeps nobody from looking at the catalog, and holds
// no statement up that deletes nothing.
func TestRun_TheJournalHangs(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, "CREATE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'SELECT'")
	j := &hanging{Journal: e.journal}
	e.startRunning(guard.Options{Journal: j, Refresh: 10 * time.Millisecond})
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	passes(t, c, "SELECT tidy()")
	e.prepared(c, "DELETE FROM tree WHERE id = 31")
	j.away.Store(true)
	for deadline := time.Now().Add(pollTime); j.asked.Load() < 2; { // the timer's, and that of the session which has a look
		passes(t, c, "SELECT FROM plain")
		if time.Now().After(deadline) {
			t.Fatal("the journal is not asked")
		}
	}
	pgtest.Exec(t, e.direct, tidies)
	e.awaitJudged(c, "SELECT tidy()")
}

// Where triggers in the database wait for the proxy's word, a secret that cannot be
// read keeps no statement waiting for long.
func TestProtected_TheControlConnectionHangs(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, "CREATE SCHEMA rowback; CREATE TABLE rowback.secret (secret text)")
	e.startRunning(guard.Options{Journal: e.journal, Control: hangs})
	done := make(chan error)
	for _, sql := range []string{"DELETE FROM plain WHERE id = 2", "DELETE FROM tree WHERE id = 31"} {
		c := e.connect(pgx.QueryExecModeSimpleProtocol)
		go func() {
			_, err := c.Exec(context.Background(), sql)
			done <- err
		}()
	}
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(pollTime):
			t.Fatal("a DELETE waits for the secret")
		}
	}
}

// A prepared transaction that is rolled back gives back what it took.
func TestTwoPhase_RolledBackGivesBack(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Hour}}
	e := newEnv(t, ruled(r), shop)
	c := e.connect(pgx.QueryExecModeExec)
	id := e.grant(journal.Allowance{Rows: 20, Once: true, Tables: []string{"tree"}})
	for _, deletes := range []string{"DELETE FROM plain WHERE id <= 9", "DELETE FROM tree WHERE id > 16"} {
		for _, sql := range []string{"BEGIN", deletes, "PREPARE TRANSACTION '" + e.database + "'"} {
			passes(t, c, sql)
		}
		refused(t, c, "DELETE FROM plain WHERE id BETWEEN 20 AND 30", "within 1h")
		passes(t, c, "ROLLBACK PREPARED '"+e.database+"'")
		e.settle()
	}
	e.wantUsed(id, 0, 0)
	passes(t, c, "DELETE FROM plain WHERE id BETWEEN 20 AND 29")
	refused(t, c, "DELETE FROM plain WHERE id = 30", "11 within 1h")
}

// Windows that were begun anew since have counted it, or not: nothing is taken out of them.
func TestTwoPhase_RolledBackIsTakenBackOnce(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Hour}}
	e := newEnv(t, ruled(r), shop)
	elder, url := e.judge, e.url
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id <= 5", "PREPARE TRANSACTION '" + e.database + "'", "DELETE FROM plain WHERE id BETWEEN 11 AND 15"} {
		passes(t, c, sql)
	}
	e.start(ruled(r), e.journal)
	pgtest.Exec(t, e.direct, "ROLLBACK PREPARED '"+e.database+"'")
	e.look() // the one after it settles it
	if err := elder.SetPolicy(t.Context(), ruled(r)); err != nil {
		t.Fatal(err)
	}
	e.url = url
	e.look() // and so does the elder
	passes(t, c, "DELETE FROM plain WHERE id BETWEEN 21 AND 25")
	refused(t, c, "DELETE FROM plain WHERE id = 26", "11 within 1h")
}
