package guard_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// crash ends the server as a crash does, and runs it again.
func crash(t *testing.T) {
	t.Helper()
	c := pgtest.Shared(t)
	if err := c.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// look has a new session look at the catalog, and settle what it can.
func (e *env) look() {
	e.t.Helper()
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(e.t, c, "CREATE TEMP TABLE x (id int)") // DDL: the next message looks
	mustExec(e.t, c, "SELECT 1")
	if err := c.Close(context.Background()); err != nil {
		e.t.Fatal(err)
	}
}

// wantOutcome checks that the journal has one entry, with this outcome.
func (e *env) wantOutcome(o journal.Outcome) {
	e.t.Helper()
	all := e.entries(journal.Filter{})
	if len(all) != 1 || all[0].Outcome != o {
		e.t.Fatalf("entries %+v, want one, %s", all, o)
	}
}

func TestSettle_ServerCrashesBeforeCommit(t *testing.T) {
	e, j := withFaulty(t, shop)
	before := e.keys()
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "SELECT 1")
	hook := func() { crash(t) } // the entry is about to be durable, the commit not sent
	j.append.Store(&hook)
	if _, err := c.Exec(context.Background(), "DELETE FROM orders WHERE id <= 3"); err == nil {
		t.Error("the client was told it was done")
	}
	j.append.Store(nil)
	e.look()
	equal(t, "gone", minus(before, e.keys()), nil)
	e.wantOutcome(journal.RolledBack)
}

// The deletion committed, the outcome was not recorded; then rows come back
// under their old keys. The entry is settled to what happened, with and without
// a crash in between.
func TestSettle_CommittedUnseen(t *testing.T) {
	for name, statements := range map[string][]string{
		"autocommit":          {"DELETE FROM plain WHERE id <= 3"},
		"and inserted again":  {"DELETE FROM plain WHERE id <= 3", "INSERT INTO plain SELECT generate_series(1, 3), 'new'"},
		"in one transaction":  {"BEGIN", "DELETE FROM plain WHERE id <= 3", "INSERT INTO plain SELECT generate_series(1, 3), 'new'", "COMMIT"},
		"some inserted again": {"DELETE FROM plain WHERE id <= 3", "INSERT INTO plain VALUES (2, 'new')"},
	} {
		for _, crashed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, crash %v", name, crashed), func(t *testing.T) {
				e, j := withFaulty(t, shop)
				c := e.connect(pgx.QueryExecModeExec)
				j.forgetful.Store(true)
				for _, sql := range statements {
					mustExec(t, c, sql)
				}
				e.wantOutcome(journal.InDoubt)
				j.forgetful.Store(false)
				if crashed {
					crash(t)
				}
				e.look()
				e.wantOutcome(journal.Committed)
			})
		}
	}
}

// A session that may not see the rows settles nothing and is not disturbed.
func TestSettle_WaitsForPrivilege(t *testing.T) {
	for name, deny := range map[string]string{
		"no SELECT":          "GRANT DELETE ON plain TO %s",
		"no column":          "GRANT DELETE, SELECT (a) ON plain TO %s",
		"row-level security": "GRANT DELETE, SELECT ON plain TO %s; ALTER TABLE plain ENABLE ROW LEVEL SECURITY",
		"no USAGE":           "CREATE SCHEMA hidden; ALTER TABLE plain SET SCHEMA hidden; GRANT SELECT ON hidden.plain TO %s",
		"locked":             "GRANT DELETE, SELECT ON plain TO %s",
	} {
		t.Run(name, func(t *testing.T) {
			role := "r" + pgtest.Database(t)
			e, j := withFaulty(t, shop, "CREATE ROLE "+role+" LOGIN")
			t.Cleanup(func() { pgtest.Exec(t, e.direct, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
			pgtest.Exec(t, e.direct, fmt.Sprintf(deny, role))
			j.forgetful.Store(true)
			table := "plain"
			if name == "no USAGE" {
				table = "hidden.plain"
			}
			mustExec(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM "+table+" WHERE id <= 3")
			j.forgetful.Store(false)
			crash(t) // else the status alone would tell
			locker := connect(t, e.direct, pgx.QueryExecModeExec)
			if name == "locked" {
				mustExec(t, locker, "BEGIN")
				mustExec(t, locker, "LOCK TABLE plain")
			}
			for range 3 {
				c := connect(t, strings.Replace(e.url, "postgres@", role+"@", 1), pgx.QueryExecModeExec)
				mustExec(t, c, "SELECT 1")
				wantStatus(t, c, 'I')
				// DDL makes the next session look at the catalog again, and at the doubt.
				mustExec(t, c, "CREATE TEMP TABLE x (id int)")
			}
			e.wantOutcome(journal.InDoubt)
			if n := e.logs.count("entry stays in doubt"); n != 1 {
				t.Errorf("said %d times, want once", n)
			}
			mustExec(t, locker, "ROLLBACK")
			e.look()
			e.wantOutcome(journal.Committed)
		})
	}
}

// An xid is no identity across a crash; each of these is an entry that a proxy
// found when it started.
func TestSettle_FoundAtStart(t *testing.T) {
	ctx := context.Background()
	e, _ := withFaulty(t, shop, "CREATE TABLE gone (id int PRIMARY KEY); DELETE FROM plain WHERE id > 90",
		"CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN feeling AS mood; CREATE DOMAIN feelings AS feeling; CREATE TABLE felt (id feelings PRIMARY KEY); INSERT INTO felt VALUES ('sad')")
	conn := connect(t, e.direct, pgx.QueryExecModeExec)
	var committed, aborted, open, future string
	if err := conn.QueryRow(ctx, "INSERT INTO plain VALUES (1000, 'x') RETURNING pg_current_xact_id()::text").Scan(&committed); err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, "BEGIN")
	if err := conn.QueryRow(ctx, "SELECT pg_current_xact_id()::text, (pg_current_xact_id()::text::bigint + 1000000)::text").Scan(&aborted, &future); err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, "ROLLBACK")
	mustExec(t, conn, "BEGIN")
	if err := conn.QueryRow(ctx, "SELECT pg_current_xact_id()::text").Scan(&open); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		xid, table string
		ids        []string
		want       journal.Outcome
	}{
		"rolled back":                    {aborted, "plain", []string{"95"}, journal.RolledBack},
		"still open":                     {open, "plain", []string{"95"}, journal.InDoubt},
		"lost in a crash":                {future, "plain", []string{"1"}, journal.RolledBack},
		"committed, rows gone":           {committed, "plain", []string{"95", "96"}, journal.Committed},
		"issued again, rows there":       {committed, "plain", []string{"1", "2"}, journal.RolledBack},
		"inserted again by it":           {committed, "plain", []string{"1000"}, journal.Committed},
		"cannot be told: some rows":      {committed, "plain", []string{"1", "95"}, journal.InDoubt},
		"cannot be told: no keys":        {committed, "plain", nil, journal.InDoubt},
		"cannot be told: no transaction": {"", "plain", []string{"95"}, journal.InDoubt},
		"table dropped since":            {committed, "dropped", []string{"1"}, journal.Committed},
		"domain over an enum, gone":      {committed, "felt", []string{"ok"}, journal.Committed},
		"domain over an enum, there":     {committed, "felt", []string{"sad"}, journal.RolledBack},
	}
	want := map[string]journal.Outcome{}
	names := map[string]string{}
	for name, c := range cases {
		id := e.doubtfulEntry(journal.Deletion, c.xid, c.table, c.ids, func(x *journal.Entry) {
			if c.table == "felt" {
				x.Tables[0].Key[0].Type = "public.feelings"
			}
		})
		want[id], names[id] = c.want, name
	}
	e.start(blockPolicy(), e.journal)
	e.look()
	for id, o := range want {
		x, err := e.journal.Entry(ctx, id)
		if err != nil || x.Outcome != o {
			t.Errorf("%s: %v, %v; want %s", names[id], x.Outcome, err, o)
		}
	}
	if n := e.logs.count("entry stays in doubt"); n != 3 {
		t.Errorf("%d said to stay in doubt, want 3", n)
	}
}

// doubtful appends an entry in doubt of an earlier run of the server.
func (e *env) doubtful(xid, table string, ids []string) string {
	e.t.Helper()
	return e.doubtfulEntry(journal.Deletion, xid, table, ids)
}

// anEarlierRun is that of entries in doubt that tests make.
var anEarlierRun = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (e *env) doubtfulEntry(kind journal.Kind, xid, table string, ids []string, change ...func(*journal.Entry)) string {
	e.t.Helper()
	now := time.Now()
	x := &journal.Entry{
		ID: journal.NewID(now), Time: now, Kind: kind, Outcome: journal.InDoubt, Database: e.database, XID: xid, Rows: int64(len(ids)),
		Server: journal.Server{Started: anEarlierRun},
		Tables: []journal.Table{{Schema: "public", Name: table, Rows: int64(len(ids)), Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}}},
	}
	for _, f := range change {
		f(x)
	}
	k := journal.NewKeys("")
	defer k.Close()
	for _, id := range ids {
		if err := k.Add(journal.Row{Values: []*string{&id}}); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := e.journal.Append(context.Background(), x, k); err != nil {
		e.t.Fatal(err)
	}
	return x.ID
}

// When a backend dies the postmaster stays, but ids may be issued again all the same.
func TestSettle_BackendCrashBeginsANewRun(t *testing.T) {
	e, _ := withFaulty(t, shop)
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "DELETE FROM plain WHERE id = 1")
	mustExec(t, c, "DELETE FROM plain WHERE id = 2")
	victim := connect(t, e.direct, pgx.QueryExecModeExec)
	if err := syscall.Kill(int(victim.PgConn().PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(pollTime)
	for { // until the crash has ended this session, and the server is back
		if _, err := c.Exec(context.Background(), "SELECT 1"); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server goes on as if nothing had happened")
		}
	}
	for {
		again, err := pgx.Connect(context.Background(), e.url)
		if err == nil {
			mustExec(t, again, "DELETE FROM plain WHERE id = 3")
			again.Close(context.Background())
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	all := e.entries(journal.Filter{}) // newest first
	if v := pgtest.Shared(t).Version(); v < 15 {
		if catalog.SameRun(all[0].Server.Started, all[1].Server.Started) {
			t.Error("two runs are taken for one")
		}
		t.Skipf("not run on PostgreSQL %d to its end: what a crash leaves behind there where the postmaster survives is costly to ask for", v)
	}
	if len(all) != 3 || all[2].Server.Started.IsZero() || !all[2].Server.Started.Equal(all[1].Server.Started) || all[0].Server.Started.Equal(all[1].Server.Started) {
		t.Errorf("the server's runs: %+v", all)
	}
}

// With a control connection no session needs to come.
func TestSettle_ByControlConnection(t *testing.T) {
	e, _ := withFaulty(t, shop)
	missing := e.doubtful("", "plain", nil)
	id := e.doubtful("3", "plain", []string{"-1"}) // long committed
	metrics := guard.NewMetrics()
	judge, err := guard.New(t.Context(), guard.Options{Policy: blockPolicy(), Journal: e.journal, Metrics: metrics, Refresh: 10 * time.Millisecond,
		Control: func(ctx context.Context, database string) (catalog.Querier, func(), error) {
			c, err := pgx.Connect(ctx, pgtest.Shared(t).URL(database))
			if err != nil {
				return nil, nil, err
			}
			return catalog.FromConn(c), func() { c.Close(context.Background()) }, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { judge.Run(ctx); close(done) }()
	deadline := time.Now().Add(pollTime)
	for range time.Tick(10 * time.Millisecond) {
		x, err := e.journal.Entry(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if x.Outcome != journal.InDoubt || time.Now().After(deadline) {
			if x.Outcome != journal.Committed {
				t.Errorf("settled as %s", x.Outcome)
			}
			break
		}
	}
	cancel()
	<-done
	if x, err := e.journal.Entry(context.Background(), missing); err != nil || x.Outcome != journal.InDoubt {
		t.Errorf("%+v, %v", x, err)
	}
}

// A database gets another name, or is dropped, while something in it is in doubt: the
// server knows all the same how that ended.
func TestSettle_OfADatabaseThatIsGone(t *testing.T) {
	for name, sql := range map[string]struct{ do, undo string }{
		"renamed": {"ALTER DATABASE %s RENAME TO %[1]s_new", "ALTER DATABASE %s_new RENAME TO %[1]s"},
		"dropped": {"DROP DATABASE %s", "CREATE DATABASE %s"},
	} {
		for way, control := range map[string]bool{"by a session": false, "by the control connection": true} {
			t.Run(name+" "+way, func(t *testing.T) {
				e, j := withFaulty(t, shop)
				c := e.connect(pgx.QueryExecModeExec)
				j.forgetful.Store(true)
				mustExec(t, c, "DELETE FROM orders WHERE id <= 2")
				j.forgetful.Store(false)
				if err := c.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				e.wantOutcome(journal.InDoubt)
				admin := connect(t, pgtest.Shared(t).URL("postgres"), pgx.QueryExecModeExec)
				for deadline := time.Now().Add(pollTime); ; time.Sleep(time.Millisecond) {
					var ended bool
					if err := admin.QueryRow(t.Context(), "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1)", e.database).Scan(&ended); err != nil {
						t.Fatal(err)
					}
					if ended {
						break
					}
					if time.Now().After(deadline) {
						t.Fatal("its sessions do not end")
					}
				}
				mustExec(t, admin, fmt.Sprintf(sql.do, e.database))
				t.Cleanup(func() { pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), fmt.Sprintf(sql.undo, e.database)) })
				if control {
					o := guard.Options{Journal: e.journal, Refresh: 10 * time.Millisecond, Control: func(ctx context.Context, database string) (catalog.Querier, func(), error) {
						conn, err := pgx.Connect(ctx, pgtest.Shared(t).URL(database))
						if err != nil {
							return nil, nil, err
						}
						return catalog.FromConn(conn), func() { conn.Close(context.Background()) }, nil
					}}
					e.startRunning(o)
				}
				// Before 15 the postmaster's start alone does not tell whether ids were issued again.
				told := pgtest.Shared(t).Version() >= 15
				for deadline := time.Now().Add(pollTime); told && len(e.entries(journal.Filter{Outcome: journal.InDoubt})) > 0 || !told && e.logs.count("there is no database") == 0; {
					if !control {
						x := connect(t, strings.Replace(e.url, "/"+e.database, "/postgres", 1), pgx.QueryExecModeExec)
						mustExec(t, x, "CREATE TEMP TABLE x (id int)")
						mustExec(t, x, "SELECT FROM x")
						_ = x.Close(t.Context())
					}
					if time.Now().After(deadline) {
						t.Fatal("in doubt for ever")
					}
				}
				if told {
					e.wantOutcome(journal.Committed)
				}
			})
		}
	}
}
