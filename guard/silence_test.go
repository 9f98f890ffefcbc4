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
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/pgjournal"
)

// withShared is newEnv with a journal in PostgreSQL, behind a network that can go silent.
func withShared(t *testing.T, p policy.Policy, sql ...string) (*env, *pgtest.Relay) {
	t.Helper()
	e := newEnv(t, p, sql...)
	c, err := pgtest.Start(t.Context(), pgtest.Options{}) // the shared one is not durable
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	relay := pgtest.NewRelay(t, c)
	j, err := pgjournal.Open(t.Context(), relay.Through(c.URL("postgres")), journal.Options{Proxy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		relay.Silence(false)
		j.Close()
	})
	e.journal = j
	e.start(p, j)
	return e, relay
}

// unlocked waits until nobody holds the row of plain with this id.
func (e *env) unlocked(id int) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), pollTime)
	defer cancel()
	c := connect(e.t, e.direct, pgx.QueryExecModeExec)
	if _, err := c.Exec(ctx, "SELECT FROM plain WHERE id = $1 FOR UPDATE", id); err != nil {
		e.t.Errorf("the row is locked: %v", err)
	}
}

// Over the limit, and the journal does not say whether somebody allowed it: the limit
// stands. Production's rows are free before the journal has been told.
func TestAllowance_JournalSilent(t *testing.T) {
	e, relay := withShared(t, blockPolicy(), shop)
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "DELETE FROM plain WHERE id = 99")
	e.grant(journal.Allowance{Rows: 1000})
	relay.Silence(true)
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "DELETE FROM plain WHERE id BETWEEN 10 AND 50")
		done <- err
	}()
	for n := 0; n == 0; { // it runs, and has the row
		if err := connect(t, e.direct, pgx.QueryExecModeExec).QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE relation = 'plain'::regclass AND mode = 'RowExclusiveLock'").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	e.unlocked(20)
	select {
	case err := <-done:
		t.Errorf("the row was locked until the client was told: %v", err)
	default:
	}
	select {
	case err := <-done:
		wantCode(t, err, "RB001")
	case <-time.After(pollTime):
		t.Fatal("it hangs")
	}
}

// A held statement whose journal is silent ends as it would: at its time, or when its
// client or the proxy does not want it any more.
func TestHold_JournalSilent(t *testing.T) {
	for name, x := range map[string]struct {
		wait time.Duration
		end  func(*held)
		want string // of the error; "": the client has gone
	}{
		"until its time": {time.Second, func(*held) {}, "nobody allowed it within 1s"},
		"canceled": {time.Hour, func(h *held) {
			if err := h.conn.PgConn().CancelRequest(context.Background()); err != nil {
				t.Error(err)
			}
		}, "canceling statement"},
		"left": {time.Hour, func(h *held) { h.conn.PgConn().Conn().Close() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := holdPolicy()
			p.Default.HoldFor = x.wait
			e, relay := withShared(t, p, shop)
			h := e.startHeld(pgx.QueryExecModeExec, []string{"BEGIN", "DELETE FROM plain WHERE id <= 5"}, "DELETE FROM plain WHERE id BETWEEN 10 AND 50")
			e.waiting()
			relay.Silence(true)
			x.end(h)
			e.unlocked(1)
			select {
			case err := <-h.done:
				var pe *pgconn.PgError
				if x.want != "" && (!errors.As(err, &pe) || !strings.Contains(pe.Message, x.want)) {
					t.Errorf("%v", err)
				}
			case <-time.After(pollTime):
				t.Error("it hangs")
			}
		})
	}
}

// Rules that need what the journal knows are not taken over while it is silent, and
// whoever gives up waiting for that gives up at once.
func TestSetPolicy_JournalSilent(t *testing.T) {
	e, relay := withShared(t, blockPolicy(), shop)
	p := blockPolicy()
	p.Default.Windows = []policy.Window{{Rows: 20, Per: time.Hour}}
	relay.Silence(true)
	ctx, cancel := context.WithTimeout(t.Context(), pollTime)
	defer cancel()
	if err := e.judge.SetPolicy(ctx, p); !errors.Is(err, journal.ErrAway) || ctx.Err() != nil {
		t.Error(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := e.judge.SetPolicy(gone, p); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	relay.Silence(false)
	for err := errors.New("not tried"); err != nil; {
		if err = e.judge.SetPolicy(ctx, p); ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
