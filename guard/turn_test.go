package guard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// behindTheFirst is a session whose first statement waits until another one, which
// is kept from it, has read the catalog for the first time. sql "": it says nothing yet.
func behindTheFirst(t *testing.T, sql string) (e *env, s *proxy.Server, waits *pgx.Conn, answer <-chan error, release func()) {
	t.Helper()
	e = newEnv(t, blockPolicy(), shop)
	var err error
	s, err = proxy.New(proxy.Options{Listen: "127.0.0.1:0", Upstream: "postgres://" + pgtest.Shared(t).Addr() + "/?sslmode=disable", Judge: e.judge})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	url := "postgres://postgres@" + s.Addr().String() + "/" + e.database + "?sslmode=disable"
	reads := connect(t, url, pgx.QueryExecModeSimpleProtocol) // one message: a drain may end a session between two
	waits = connect(t, url, pgx.QueryExecModeExec)
	awaited, unlock := e.blockCatalog()
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := reads.Exec(context.Background(), "DELETE FROM plain WHERE id = 1"); first <- err }()
	awaited(0)
	if sql != "" {
		go func() { _, err := waits.Exec(context.Background(), sql); second <- err }()
	}
	released := false
	release = func() {
		t.Helper()
		if released {
			return
		}
		released = true
		unlock()
		if err := <-first; err != nil {
			t.Errorf("who reads the catalog: %v", err)
		}
	}
	t.Cleanup(func() {
		release()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return e, s, waits, second, release
}

func TestTurn_ACancelIsForWhoWaits(t *testing.T) {
	e, _, c, answer, release := behindTheFirst(t, "DELETE FROM plain WHERE id = 2")
	for deadline := time.Now().Add(pollTime); ; {
		if err := c.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-answer:
			if sqlstate(err) != "57014" {
				t.Fatalf("%v, want 57014", err)
			}
			release()
			mustExec(t, c, "DELETE FROM plain WHERE id = 3")
			equal(t, "journalled", e.journalled(), []string{"plain 1", "plain 3"})
			return
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("it waits on")
		}
	}
}

func TestTurn_WhoWaitsMayGoAway(t *testing.T) {
	e, s, c, _, release := behindTheFirst(t, "")
	c.PgConn().Frontend().Send(&pgproto3.Query{String: "DELETE FROM plain WHERE id = 2"})
	if err := errors.Join(c.PgConn().Frontend().Flush(), c.PgConn().Conn().Close()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(pollTime); s.Stats().Sessions > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("its session waits on")
		}
	}
	release()
	equal(t, "journalled", e.journalled(), []string{"plain 1"})
}

// The proxy's end does not wait for who waits to read the catalog.
func TestTurn_ADrainDoesNotWait(t *testing.T) {
	e, s, c, answer, release := behindTheFirst(t, "SELECT 1")
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	select {
	case err := <-answer:
		var pe *pgconn.PgError
		if err != nil && (!errors.As(err, &pe) || pe.Code != "57P01") {
			t.Error(err)
		}
	case <-time.After(pollTime):
		t.Error("it waits on")
	}
	if _, err := c.Exec(t.Context(), "SELECT 1"); sqlstate(err) != "57P01" && !c.IsClosed() {
		t.Errorf("%v, want the session's end", err)
	}
	release()
	if err := <-drained; err != nil {
		t.Error(err)
	}
	equal(t, "journalled", e.journalled(), []string{"plain 1"})
	if es := e.entries(journal.Filter{Outcome: journal.InDoubt}); len(es) > 0 {
		t.Errorf("in doubt: %+v", es)
	}
}

// A session whose server goes silent while it reads the catalog for the first time keeps
// others from it for a while only.
func TestTurn_TheServerOfWhoReadsGoesSilent(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	relay := pgtest.NewRelay(t, pgtest.Shared(t))
	s, err := proxy.New(proxy.Options{Listen: "127.0.0.1:0", Upstream: "postgres://" + relay.Addr() + "/?sslmode=disable", Judge: e.judge})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	served, read := make(chan error, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { served <- s.Serve(ctx) }()
	defer func() {
		cancel()
		relay.Cut()
		if err := <-served; err != nil {
			t.Error(err)
		}
		<-read
	}()
	reads := connect(t, "postgres://postgres@"+s.Addr().String()+"/"+e.database+"?sslmode=disable", pgx.QueryExecModeSimpleProtocol)
	awaited, unlock := e.blockCatalog()
	go func() {
		_, err := reads.Exec(ctx, "DELETE FROM plain WHERE id = 1")
		read <- err
	}()
	awaited(0)
	relay.Silence(true)
	unlock()
	e.clock.advance(10 * time.Second)
	others, done := context.WithTimeout(t.Context(), pollTime)
	defer done()
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	for range 20 {
		if _, err := c.Exec(others, "DELETE FROM plain WHERE id = 2"); err != nil {
			t.Fatal("another one waits: ", err)
		}
	}
}
