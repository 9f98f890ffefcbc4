package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// faulty is a journal that can be told to fail, or to wait.
type faulty struct {
	journal.Journal
	down   atomic.Bool
	append atomic.Pointer[func()] // called before each Append
	// forgetful: outcomes are lost, as if the proxy died after the commit.
	forgetful atomic.Bool
	// deaf: outcomes are stored, and nobody hears so.
	deaf atomic.Bool
	// faults: whoever stores one meets a fault.
	faults atomic.Bool
	// stuck: outcomes are not stored as long as their caller waits.
	stuck atomic.Bool
	// after is called for each entry that is read to tell how an earlier one ended, with
	// how many were before it; false: the others take longer than the caller waits.
	after atomic.Pointer[func(n int) bool]
}

var errDown = errors.New("no room for it")

func (j *faulty) Append(ctx context.Context, e *journal.Entry, k *journal.Keys) error {
	if f := j.append.Load(); f != nil {
		(*f)()
	}
	if j.down.Load() {
		return errDown
	}
	return j.Journal.Append(ctx, e, k)
}

func (j *faulty) Settle(ctx context.Context, id string, o journal.Outcome) error {
	if j.faults.Load() {
		panic("a fault")
	}
	if j.stuck.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if j.down.Load() || j.forgetful.Load() {
		return errDown
	}
	if err := j.Journal.Settle(ctx, id, o); err != nil || !j.deaf.Load() {
		return err
	}
	return errDown
}

func (j *faulty) Prepared(ctx context.Context, id string, s journal.Server) error {
	if j.down.Load() || j.forgetful.Load() {
		return errDown
	}
	return j.Journal.Prepared(ctx, id, s)
}

func (j *faulty) Ping(ctx context.Context) error {
	if j.down.Load() {
		return errDown
	}
	return j.Journal.Ping(ctx)
}

// withFaulty is newEnv with a faulty journal.
func withFaulty(t *testing.T, sql ...string) (*env, *faulty) {
	t.Helper()
	e := newEnv(t, alertPolicy(), sql...)
	j := &faulty{Journal: e.journal}
	e.start(policy.Uniform(policy.Block, 1000), j)
	return e, j
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != code {
		t.Fatalf("got %v, want SQLSTATE %s", err, code)
	}
	if strings.Contains(fmt.Sprintf("%+v", *pe), "row 1") {
		t.Errorf("the error shows row contents: %+v", *pe)
	}
	if code == "RB002" && (strings.Contains(pe.Detail, errDown.Error()) || strings.Contains(pe.Detail, "/")) {
		t.Errorf("the error shows what is the log's to know: %s", pe.Detail)
	}
}

func wantStatus(t *testing.T, c *pgx.Conn, status byte) {
	t.Helper()
	if got := c.PgConn().TxStatus(); got != status {
		t.Errorf("transaction status %c, want %c", got, status)
	}
}

func mustExec(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Once the journal is known to be down deletes are refused before they run;
// before that, at the latest when they would commit.
func TestEvidence_JournalDown(t *testing.T) {
	ctx := context.Background()
	const del = "DELETE FROM plain WHERE a = 'row 1' RETURNING a"
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e, j := withFaulty(t, shop)
			before := e.keys()
			c := e.connect(m)
			mustExec(t, c, "SELECT 1")
			j.down.Store(true)

			_, err := c.Exec(ctx, del) // not known yet: at the commit
			wantCode(t, err, "RB002")
			wantStatus(t, c, 'I')
			_, err = c.Exec(ctx, del) // known: before it runs
			wantCode(t, err, "RB002")
			wantStatus(t, c, 'I')

			mustExec(t, c, "BEGIN")
			_, err = c.Exec(ctx, del)
			wantCode(t, err, "RB002")
			wantStatus(t, c, 'E')
			mustExec(t, c, "ROLLBACK")
			for _, sql := range []string{
				"SELECT count(*) FROM plain", "UPDATE plain SET a = a", "CREATE TABLE other (id int)", "BEGIN", "INSERT INTO other VALUES (1)", "COMMIT",
			} {
				mustExec(t, c, sql)
			}
			equal(t, "keys while it was down", minus(before, e.keys()), nil)
			if e.logs.count("deletions are refused") != 1 || e.logs.count(errDown.Error()) != 2 { // the one of the commit, too
				t.Error("the log does not say once why")
			}

			j.down.Store(false)
			mustExec(t, c, del)
			equal(t, "gone", minus(before, e.keys()), []string{"plain 1"})
			equal(t, "journalled", e.journalled(), []string{"plain 1"})
		})
	}
}

// The journal fails between the DELETE and its COMMIT: COMMIT fails, and its
// block is over.
func TestEvidence_JournalDownAtCommit(t *testing.T) {
	ctx := context.Background()
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e, j := withFaulty(t, shop)
			before := e.keys()
			c := e.connect(m)
			for _, commit := range []string{"COMMIT", "END", "COMMIT AND CHAIN", "PREPARE TRANSACTION 'down " + e.database + "'"} {
				mustExec(t, c, "BEGIN")
				mustExec(t, c, "DELETE FROM orders WHERE id <= 3")
				j.down.Store(true)
				_, err := c.Exec(ctx, commit)
				wantCode(t, err, "RB002")
				wantStatus(t, c, 'I')
				j.down.Store(false)
			}
			mustExec(t, c, "SELECT 1")
			equal(t, "keys", minus(before, e.keys()), nil)
			if n := len(e.entries(journal.Filter{})); n != 0 {
				t.Errorf("%d entries of nothing", n)
			}
		})
	}
}

// In a pipeline the error comes at its barrier, and what follows up to Sync is discarded.
func TestEvidence_JournalDownInPipeline(t *testing.T) {
	e, j := withFaulty(t, shop)
	before := e.keys()
	r := dialRaw(t, e.url)
	send := func(m messages) string {
		for _, x := range m {
			r.Send(x)
		}
		return strings.Join(r.answers(1), "\n")
	}
	for name, m := range map[string]messages{
		"at Sync":              cat(pbe("DELETE FROM plain WHERE id = $1", "1"), pbe("SELECT 1"), syncMsg),
		"at COMMIT":            cat(pbe("BEGIN"), pbe("DELETE FROM plain WHERE id = $1", "1"), pbe("COMMIT"), pbe("SELECT 2"), syncMsg),
		"in a simple Query":    q("SELECT 1; DELETE FROM plain WHERE id = 1; SELECT 2"),
		"COMMIT in the middle": q("BEGIN; DELETE FROM plain WHERE id = 1; COMMIT; SELECT 2"),
	} {
		j.down.Store(false)
		send(q("DELETE FROM plain WHERE id = -1")) // it works, as far as is known
		j.down.Store(true)
		got := send(m)
		if strings.Count(got, `"RB002"`) != 1 || strings.Contains(got, "SELECT 2") || !strings.Contains(got, `"TxStatus":"I"`) && !strings.Contains(got, `"TxStatus":"E"`) {
			t.Errorf("%s: %s", name, got)
		}
		send(q("ROLLBACK"))
	}
	equal(t, "keys", minus(before, e.keys()), nil)
}

// While Append is held the rows are still there for everybody else: the server
// has not been told to commit.
func TestEvidence_DurableBeforeCommitIsSent(t *testing.T) {
	ctx := context.Background()
	cases := map[string][]string{
		"autocommit": {"DELETE FROM orders WHERE id <= 3"},
		"block":      {"BEGIN", "DELETE FROM orders WHERE id <= 3", "COMMIT"},
		"prepared":   {"BEGIN", "DELETE FROM orders WHERE id <= 3", "PREPARE TRANSACTION 'order'", "COMMIT PREPARED 'order'"},
		"truncate":   {"TRUNCATE notes"},
	}
	for mode, m := range modes {
		for name, statements := range cases {
			t.Run(mode+"/"+name, func(t *testing.T) {
				e, j := withFaulty(t, shop)
				before := e.keys()
				c := e.connect(m)
				mustExec(t, c, "SELECT 1")
				watch := connect(t, e.direct, pgx.QueryExecModeExec)
				appends := 0
				check := func() {
					appends++
					var state string
					err := watch.QueryRow(ctx, "SELECT string_agg(state || ' ' || (backend_xid IS NOT NULL)::text, ',') FROM pg_stat_activity WHERE pid = $1", c.PgConn().PID()).Scan(&state)
					if err != nil || !strings.HasSuffix(state, "true") {
						t.Errorf("the transaction is %q (%v) before its evidence is durable", state, err)
					}
				}
				j.append.Store(&check)
				for _, sql := range statements {
					mustExec(t, c, sql)
				}
				if appends != 1 {
					t.Errorf("%d entries were appended", appends)
				}
				if name == "prepared" { // settled by the next look
					e.connect(m)
					j.append.Store(nil)
					e.settle()
				}
				gone := minus(before, e.keys())
				equal(t, "journalled", e.journalled(), gone)
				if len(gone) < 3 {
					t.Errorf("only %q removed", gone)
				}
			})
		}
	}
}

// What fails at COMMIT itself has removed nothing.
func TestEvidence_DeferredConstraintFailsAtCommit(t *testing.T) {
	ctx := context.Background()
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e, _ := withFaulty(t, shop, `CREATE TABLE holders (id int PRIMARY KEY, plain_id int REFERENCES plain DEFERRABLE INITIALLY DEFERRED);
				INSERT INTO holders VALUES (1, 1)`)
			before := e.keys()
			c := e.connect(m)
			_, err := c.Exec(ctx, "DELETE FROM plain WHERE id = 1")
			wantState(t, err, "23503")
			wantStatus(t, c, 'I')
			mustExec(t, c, "BEGIN")
			mustExec(t, c, "DELETE FROM plain WHERE id < 3")
			_, err = c.Exec(ctx, "COMMIT")
			wantState(t, err, "23503")
			wantStatus(t, c, 'I')
			equal(t, "gone", minus(before, e.keys()), nil)
			if n := len(e.entries(journal.Filter{Outcome: journal.RolledBack})); n != 2 || len(e.entries(journal.Filter{})) != 2 {
				t.Errorf("%d entries rolled back, want both", n)
			}
		})
	}
}

// wantState is wantCode for an error whose text is the server's.
func wantState(t *testing.T, err error, code string) {
	t.Helper()
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != code {
		t.Fatalf("got %v, want SQLSTATE %s", err, code)
	}
}

// A client that is gone before the answer to its commit changes nothing about the outcome.
func TestEvidence_ClientGoneDuringCommit(t *testing.T) {
	for name, m := range map[string]messages{
		"autocommit": q("DELETE FROM plain WHERE id < 4"),
		"extended":   cat(pbe("DELETE FROM plain WHERE id < $1", "4"), syncMsg),
		"block":      q("BEGIN; DELETE FROM plain WHERE id < 4; COMMIT"),
	} {
		t.Run(name, func(t *testing.T) {
			e, j := withFaulty(t, shop)
			before := e.keys()
			r := dialRaw(t, e.url)
			r.Send(&pgproto3.Query{String: "SELECT 1"})
			r.answers(1)
			appended := make(chan struct{})
			cut := func() { r.conn.Close(); close(appended) }
			j.append.Store(&cut)
			for _, x := range m {
				r.Send(x)
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			<-appended
			j.append.Store(nil)
			e.settle()
			gone := minus(before, e.keys())
			equal(t, "journalled", e.journalled(), gone)
		})
	}
}

// settle has new sessions look at the database until nothing is in doubt.
func (e *env) settle() {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), pollTime)
	defer cancel()
	for {
		e.look()
		doubts := e.entries(journal.Filter{Outcome: journal.InDoubt})
		if len(doubts) == 0 {
			return
		}
		if ctx.Err() != nil {
			e.t.Fatalf("%d entries stay in doubt, the first: %+v", len(doubts), doubts[0])
		}
	}
}

// A journal directory that is gone, with the real journal.
func TestEvidence_JournalDirectoryRemoved(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir() + "/journal"
	j, err := journal.Open(ctx, dir, journal.Options{Proxy: "removed"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	e := &env{t: t, database: pgtest.Database(t, shop), journal: j}
	e.direct = pgtest.Shared(t).URL(e.database)
	e.start(policy.Uniform(policy.Block, 1000), j)
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "DELETE FROM plain WHERE id = 1")
	before := e.keys()
	removeAll(t, dir)
	for range 2 {
		_, err = c.Exec(ctx, "DELETE FROM plain WHERE id = 2")
		wantCode(t, err, "RB002")
		wantStatus(t, c, 'I')
	}
	mustExec(t, c, "UPDATE plain SET a = 'x' WHERE id = 3")
	equal(t, "gone", minus(before, e.keys()), nil)
	makeDir(t, dir)
	mustExec(t, c, "DELETE FROM plain WHERE id = 2")
	equal(t, "journalled", e.journalled(), []string{"plain 2"})
}

// A fault of rowback's behind a COMMIT ends the session: the entry is settled by others.
func TestEvidence_AFaultBehindTheCommit(t *testing.T) {
	e, j := withFaulty(t, shop)
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "DELETE FROM plain WHERE id = 1")
	j.faults.Store(true)
	if _, err := c.Exec(t.Context(), "DELETE FROM plain WHERE id = 2"); err == nil {
		t.Error("no fault")
	}
	j.faults.Store(false)
	e.settle()
	equal(t, "journalled", e.journalled(), []string{"plain 1", "plain 2"})
}
