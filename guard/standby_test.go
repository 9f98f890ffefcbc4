package guard_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// besides is a standby, and the env's database on it through a proxy with the same judge.
func (e *env) besides() (standby *pgtest.Cluster, url string) {
	t := e.t
	t.Helper()
	standby, err := pgtest.Shared(t).Standby(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	addr, _ := startProxyUnder(t, nil, standby.Addr(), e.judge, slog.New(slog.NewTextHandler(testWriter{t, &e.logs}, nil)))
	return standby, fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, e.database)
}

// What the catalog is on a standby that lags is not taken for the primary's, though
// sessions on both come through one proxy; and what it was there, not for what it is
// once that is promoted.
func TestStandby_ItsCatalogIsItsOwn(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	standby, url := e.besides()
	there := connect(t, url, pgx.QueryExecModeSimpleProtocol)
	mustExec(t, there, "SELECT FROM plain")
	pgtest.Exec(t, standby.URL("postgres"), "SELECT pg_wal_replay_pause()")

	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	mustExec(t, c, "CREATE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'DELETE FROM plain'")
	mustExec(t, there, "SELECT FROM plain") // the first to look at a catalog since
	other := e.connect(pgx.QueryExecModeSimpleProtocol)
	refused(t, other, "SELECT tidy()", "100 rows")
	mustExec(t, there, "SELECT FROM plain")
	refused(t, other, "SELECT tidy()", "100 rows")

	until := func(sql string) {
		t.Helper()
		for deadline := time.Now().Add(pollTime); ; time.Sleep(time.Millisecond) {
			var is bool
			if err := there.QueryRow(context.Background(), sql).Scan(&is); err != nil {
				t.Fatal(err)
			}
			if is {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("never true: %s", sql)
			}
		}
	}
	pgtest.Exec(t, standby.URL("postgres"), "SELECT pg_wal_replay_resume()")
	until("SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'tidy')")
	pgtest.Exec(t, standby.URL("postgres"), "SELECT pg_promote()")
	until("SELECT NOT pg_is_in_recovery()")
	// What is in doubt since, before anybody has looked again, is settled.
	for _, sql := range []string{"BEGIN", "DELETE FROM plain WHERE id <= 5", "PREPARE TRANSACTION 'moved'", "COMMIT PREPARED 'moved'"} {
		mustExec(t, there, sql)
	}
	mustExec(t, c, "CREATE TABLE more (id int)") // who was on the standby looks again
	refused(t, there, "SELECT tidy()", "95 rows")
	for deadline := time.Now().Add(pollTime); len(e.entries(journal.Filter{Outcome: journal.InDoubt})) > 0; {
		mustExec(t, there, "SELECT FROM plain")
		if time.Now().After(deadline) {
			t.Fatal("in doubt for ever")
		}
	}
}

// What a standby refuses is refused in its words.
func TestStandby_SaysWhatItRefuses(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	standby, url := e.besides()
	exchanges := []messages{q("TRUNCATE plain"), q("DROP TABLE plain"), cat(pbe("TRUNCATE orders CASCADE"), syncMsg), q("BEGIN"), q("SELECT 1; TRUNCATE plain"), q("ROLLBACK"), q("DELETE FROM plain"), q("SELECT count(*) FROM plain")}
	want := talk(t, standby.URL(e.database), exchanges, e.database)
	got := talk(t, url, exchanges, e.database)
	for i := range want {
		equal(t, fmt.Sprintf("answers to exchange %d", i), got[i], want[i])
	}
	if es := e.entries(journal.Filter{}); len(es) > 0 {
		t.Errorf("entries %+v", es)
	}
}
