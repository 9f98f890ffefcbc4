package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func TestDropDatabase_LeavesEvidenceWhereItIsNotRefused(t *testing.T) {
	eachForm(t, policy.Uniform(policy.Alert, 10), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "CREATE DATABASE "+e.database+"_doomed")
		passes(t, c, "DROP DATABASE "+e.database+"_doomed")
		if err := run(t, c, "DROP DATABASE "+e.database+"_doomed"); err == nil {
			t.Fatal("it was dropped twice")
		}
		es := e.entries(journal.Filter{})
		if len(es) != 2 || es[1].Outcome != journal.Committed || es[1].Alert == "" || es[0].Outcome != journal.RolledBack {
			t.Errorf("entries %+v", es)
		}
		if err := e.judge.SetPolicy(t.Context(), blockPolicy()); err != nil {
			t.Fatal(err)
		}
		refused(t, c, "DROP DATABASE "+e.database+"_doomed", "cannot be counted")
	})
}

// A partition that is detached concurrently goes in transactions of the statement's own.
func TestDetachConcurrently_LeavesEvidenceWhereItIsNotRefused(t *testing.T) {
	pgtest.Since(t, 14, "DETACH PARTITION CONCURRENTLY")
	parts := "CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (100); INSERT INTO part SELECT generate_series(1, 20)"
	eachForm(t, policy.Uniform(policy.Alert, 10), []string{parts}, func(t *testing.T, e *env, c *pgx.Conn) {
		detach := "ALTER TABLE part DETACH PARTITION part1 CONCURRENTLY"
		if err := e.judge.SetPolicy(t.Context(), blockPolicy()); err != nil {
			t.Fatal(err)
		}
		refused(t, c, detach, "cannot be counted")
		if err := e.judge.SetPolicy(t.Context(), policy.Uniform(policy.Alert, 10)); err != nil {
			t.Fatal(err)
		}
		passes(t, c, detach)
		if err := run(t, c, detach); err == nil {
			t.Fatal("it was detached twice")
		}
		es := e.entries(journal.Filter{})
		if len(es) != 3 || es[2].Outcome != journal.Blocked || es[1].Outcome != journal.Committed || es[1].Alert == "" || es[0].Outcome != journal.RolledBack {
			t.Errorf("entries %+v", es)
		}
	})
}

// What is done to indexes in transactions of its own, where an event trigger may delete.
func TestIndexConcurrently_LeavesEvidenceWhereItIsNotRefused(t *testing.T) {
	setup := `CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM tree WHERE id = 31; END'; CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION ev()`
	all := []string{"CREATE INDEX CONCURRENTLY made ON plain (a)", "DROP INDEX CONCURRENTLY made"}
	if pgtest.Shared(t).Version() >= 17 {
		all = append(all, "REINDEX TABLE CONCURRENTLY plain", "REINDEX SCHEMA public")
	}
	eachForm(t, policy.Uniform(policy.Alert, 10), []string{shop, setup}, func(t *testing.T, e *env, c *pgx.Conn) {
		for _, sql := range all {
			if err := e.judge.SetPolicy(t.Context(), blockPolicy()); err != nil {
				t.Fatal(err)
			}
			refused(t, c, sql, "cannot be counted")
			if err := e.judge.SetPolicy(t.Context(), policy.Uniform(policy.Alert, 10)); err != nil {
				t.Fatal(err)
			}
			passes(t, c, sql)
			es := e.entries(journal.Filter{})
			if len(es) < 2 || es[1].Outcome != journal.Blocked || es[0].Outcome != journal.Committed || es[0].Alert == "" {
				t.Errorf("%s: entries %+v", sql, es)
			}
		}
		passes(t, c, "REINDEX TABLE plain")
	})
}

// The connection to the server is lost when the database is gone and nobody has said so.
func TestDropDatabase_Unheard(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, alertPolicy(), shop)
			e.relay = pgtest.NewRelay(t, pgtest.Shared(t))
			e.start(policy.Uniform(policy.Alert, 10), e.journal)
			doomed := e.database + "_doomed"
			pgtest.Exec(t, e.direct, "CREATE DATABASE "+doomed)
			x := connect(t, pgtest.Shared(t).URL(doomed), pgx.QueryExecModeExec)
			c := e.connect(mode)
			mustExec(t, c, "SELECT 1")
			dropped := make(chan error, 1)
			go func() { _, err := c.Exec(context.Background(), "DROP DATABASE "+doomed); dropped <- err }()
			e.until("SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'DROP DATABASE " + doomed + "%' AND state = 'active'") // it waits for x
			e.relay.Silence(true)
			if err := x.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			e.until("SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = '" + doomed + "')")
			e.relay.Cut()
			if err := <-dropped; err == nil {
				t.Error("the client was told")
			}
			e.look()
			e.wantOutcome(journal.Committed)
			if n := e.logs.count("mass deletion"); n != 1 {
				t.Errorf("%d alerts, want 1", n)
			}
		})
	}
}

// until waits until the server says t to a query.
func (e *env) until(sql string) {
	e.t.Helper()
	c := connect(e.t, e.direct, pgx.QueryExecModeExec)
	for deadline := time.Now().Add(pollTime); ; time.Sleep(time.Millisecond) {
		var is bool
		if err := c.QueryRow(context.Background(), sql).Scan(&is); err != nil {
			e.t.Fatal(err)
		}
		if is {
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("never: %s", sql)
		}
	}
}

// What has become of a DROP DATABASE whose proxy has died is told by the database.
func TestDropDatabase_FoundAtStart(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	want := map[string]journal.Outcome{}
	for database, o := range map[string]journal.Outcome{e.database: journal.InDoubt, e.database + "_gone": journal.Committed} {
		want[e.doubtfulEntry(journal.Deletion, "", "plain", nil, func(x *journal.Entry) { x.Dropped, x.Tables = database, nil })] = o
	}
	e.start(blockPolicy(), e.journal)
	e.look()
	e.look()
	for id, o := range want {
		if x, err := e.journal.Entry(t.Context(), id); err != nil || x.Outcome != o {
			t.Errorf("%s: %v, %v; want %s", x.Dropped, x.Outcome, err, o)
		}
	}
	if n := e.logs.count("entry stays in doubt"); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
}
