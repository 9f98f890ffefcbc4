package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func TestProduction_CannotBeReached(t *testing.T) {
	o := configured(t)
	o.Production = "postgres://postgres:SECRET@127.0.0.1:1/shop"
	r := look(t, o)
	r.expect(t, "production", Fail, "cannot connect to the production database")
	if strings.Contains(fmt.Sprint(r.Checks), "SECRET") {
		t.Error("a password is shown")
	}
}

// Without production the recovery database is looked at, and what comes after it.
func TestProduction_CannotBeReachedAndRecoveryCan(t *testing.T) {
	o := healthy(t)
	o.Production = "postgres://postgres@127.0.0.1:1/shop"
	r := look(t, o)
	r.expect(t, "production", Fail, "start its server")
	for _, name := range []string{"recovery", "recovery age", "privileges"} {
		r.expect(t, name, OK, "")
	}
	r.expect(t, "alerts", Warn, "")

	o.Recovery, o.Upstream = pgtest.Shared(t).UserURL("impatient", "", "shop_backup"), "host=127.0.0.1 port=2"
	pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "CREATE ROLE impatient LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "DROP ROLE impatient") })
	look(t, o).expect(t, "privileges", Fail, "GRANT SELECT ON public.payments TO impatient")

	o.Upstream = o.Recovery
	look(t, o).expect(t, "two databases", Fail, "swapped?")
}

// Without a recovery database production is looked at as a restore would.
func TestRecovery_CannotBeReachedOrIsNone(t *testing.T) {
	o := own(t)
	pgtest.Exec(t, o.Production, "CREATE TABLE bare (v int)")
	for recovery, status := range map[string]Status{"postgres://postgres@127.0.0.1:1/shop": Fail, "": Warn} {
		o.Recovery = recovery
		r := look(t, o)
		r.expect(t, "recovery", status, map[Status]string{Fail: "cannot connect to the recovery database", Warn: "no recovery database is configured"}[status])
		r.expect(t, "tables", OK, "all 2 tables of production")
		r.expect(t, "tables", Warn, "bare")
		r.expect(t, "privileges", OK, "of the recovery database nothing is known")
		r.expect(t, "triggers", OK, "")
		r.expect(t, "alerts", Warn, "")
	}
	o.Recovery, o.Upstream = "host=127.0.0.1 port=2", "host=127.0.0.1 port=2"
	look(t, o).expect(t, "two databases", Fail, "swapped?")
}

// A backup is as old as its dump, whenever that was loaded; no receipt, no such word.
func TestRecovery_Age(t *testing.T) {
	o := own(t)
	name := o.Recovery[strings.LastIndex(o.Recovery, "/")+1 : strings.Index(o.Recovery, "?")]
	for comment, says := range map[string]string{
		`rowback: {"loaded":"2026-11-27T19:24:34Z","dumped":"2026-11-20T03:00:00Z"}`: "the dump was made 2026-11-20 03:00:00 UTC, and loaded 2026-11-27 19:24:34 UTC",
		`rowback: {"loaded":"2026-11-27T19:24:34Z"}`:                                 "the dump was made at a time that it does not say, and loaded 2026-11-27",
		`rowback: ours`: "the database was made 2",
		``:              "perhaps long before",
	} {
		pgtest.Exec(t, o.Recovery, "COMMENT ON DATABASE "+name+" IS '"+comment+"'")
		look(t, o).expect(t, "recovery age", OK, says)
	}
}

func TestCounting(t *testing.T) {
	o := own(t)
	database := o.Production[strings.LastIndex(o.Production, "/")+1 : strings.Index(o.Production, "?")]
	pgtest.Exec(t, o.Production, "CREATE ROLE uncounted_"+database+"; ALTER ROLE uncounted_"+database+" SET track_counts = off")
	look(t, o).expect(t, "counting", Fail, "track_counts is off for uncounted_"+database)
	pgtest.Exec(t, o.Production, "DROP ROLE uncounted_"+database, "REVOKE EXECUTE ON FUNCTION pg_stat_get_xact_tuples_deleted(oid) FROM PUBLIC")
	look(t, o).expect(t, "counting", Fail, "clients may not read")
	pgtest.Exec(t, o.Production, "ALTER DATABASE "+database+" SET track_counts = off")
	look(t, o).expect(t, "counting", Fail, "does not count")
}

func TestClock_IsAhead(t *testing.T) {
	o := healthy(t)
	o.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	look(t, o).expect(t, "clock", Warn, "1h0m0s ahead of this host's")
	o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	look(t, o).expect(t, "clock", Warn, "1h0m0s behind this host's")
}

func TestTwoDatabases_AreOne(t *testing.T) {
	o := healthy(t)
	o.Recovery = strings.Replace(o.Production, "127.0.0.1", "localhost", 1)
	look(t, o).expect(t, "two databases", Fail, "is the production database itself")
}

func TestTwoDatabases_AreSwapped(t *testing.T) {
	o := healthy(t)
	name := o.Recovery[strings.LastIndex(o.Recovery, "/")+1 : strings.Index(o.Recovery, "?")]
	written(t, o, journal.Entry{Database: name, Outcome: journal.Committed})
	look(t, o).expect(t, "two databases", Fail, "swapped?")
}

// Of several hosts the one that answers is named.
func TestProduction_SeveralHosts(t *testing.T) {
	o, addr := healthy(t), pgtest.Shared(t).Addr()
	o.Production = strings.Replace(o.Production, addr, "127.0.0.1:1,"+addr, 1)
	look(t, o).expect(t, "production", OK, "on "+addr+" as postgres")
}

// A standby that follows is no backup; one that is paused is. A standby is no
// production, and the upstream's server no recovery database.
func TestStandby(t *testing.T) {
	o := healthy(t)
	standby := newStandby(t)
	o.Recovery = standby.URL("postgres")
	r := look(t, o)
	r.expect(t, "recovery age", Fail, "follows production")
	pgtest.Exec(t, o.Recovery, "SELECT pg_wal_replay_pause()")
	look(t, o).expect(t, "recovery age", OK, "paused at")

	o.Production = o.Recovery
	look(t, o).expect(t, "production", Fail, "read-only standby")

	o = healthy(t)
	o.Production, o.Recovery = standby.URL("postgres"), o.Production
	look(t, o).expect(t, "two databases", Fail, "upstream, "+pgtest.Shared(t).Addr())
}

// newStandby is a server that waits for more to replay.
func newStandby(t *testing.T) *pgtest.Cluster {
	t.Helper()
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	pgtest.Exec(t, c.URL("postgres"), shop)
	if err := c.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if err := os.WriteFile(filepath.Join(c.Dir, "data", "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}
