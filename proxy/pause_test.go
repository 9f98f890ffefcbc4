package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// pauser is a judge that pauses before each Query until something ends the
// pause, and answers a canceled one as the server would.
type pauser struct {
	asked atomic.Int64 // how often done was asked
	wake  atomic.Bool
	ended chan error
}

func (p *pauser) message(ctx context.Context, w Wire, typ byte, _ []byte) error {
	if _, err := w.Quiesce(ctx); err != nil {
		return err
	}
	if typ != 'Q' {
		w.Forward()
		return nil
	}
	err := w.Pause(ctx, time.Millisecond, func(context.Context) bool {
		p.asked.Add(1)
		return p.wake.Load()
	})
	p.ended <- err
	switch {
	case err == nil:
		w.Forward()
		return nil
	case errors.Is(err, ErrCanceled), errors.Is(err, ErrDraining):
		if err := w.Reply('E', []byte("SERROR\x00C57014\x00Mcanceled\x00\x00")); err != nil {
			return err
		}
		w.Send('S', nil)
		return nil
	}
	return err
}

func TestWire_Pause(t *testing.T) {
	start := func(t *testing.T) (*pauser, *Server, *pgconn.PgConn, chan error) {
		p := &pauser{ended: make(chan error, 1)}
		s := serve(t, Options{Judge: judgeFunc(p.message)})
		c := connect(t, proxyURL(s, "postgres")).PgConn()
		done := make(chan error, 1)
		go func() { _, err := c.Exec(context.Background(), "SELECT 1").ReadAll(); done <- err }()
		eventually(t, "it pauses", func() bool { return p.asked.Load() > 2 })
		return p, s, c, done
	}
	t.Run("until it is done", func(t *testing.T) {
		p, _, _, done := start(t)
		p.wake.Store(true)
		if err := errors.Join(<-p.ended, <-done); err != nil {
			t.Error(err)
		}
	})
	t.Run("until the client cancels", func(t *testing.T) {
		p, s, c, done := start(t)
		if err := c.CancelRequest(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := <-p.ended; !errors.Is(err, ErrCanceled) {
			t.Errorf("the pause ended with %v", err)
		}
		if err := (*pgconn.PgError)(nil); !errors.As(<-done, &err) || err.Code != "57014" {
			t.Errorf("the client got %v", err)
		}
		if n := s.Stats().Canceled; n != 0 {
			t.Errorf("%d cancel requests went to the server", n)
		}
		p.wake.Store(true) // the session goes on
		if _, err := c.Exec(context.Background(), "SELECT 2").ReadAll(); err != nil {
			t.Error(err)
		}
	})
	t.Run("until the client is gone", func(t *testing.T) {
		p := &pauser{ended: make(chan error, 1)}
		s := serve(t, Options{Judge: judgeFunc(p.message)})
		c := rawSession(t, s)
		write(t, c, frame(&pgproto3.Query{String: "SELECT 1"}))
		eventually(t, "it pauses", func() bool { return p.asked.Load() > 2 })
		c.Close()
		if err := <-p.ended; !errors.Is(err, errClientGone) {
			t.Errorf("the pause ended with %v", err)
		}
		eventually(t, "the session has ended", func() bool { return s.Stats().Sessions == 0 })
	})
	t.Run("until the server is gone", func(t *testing.T) {
		p, _, c, done := start(t)
		admin := connect(t, pgtest.Shared(t).URL("postgres"))
		if _, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend($1)", int32(c.PID())); err != nil {
			t.Fatal(err)
		}
		if err := <-p.ended; err == nil || errors.Is(err, errClientGone) {
			t.Errorf("the pause ended with %v", err)
		}
		if err := (*pgconn.PgError)(nil); !errors.As(<-done, &err) || err.Code != "57P01" {
			t.Errorf("the client got %v", err)
		}
	})
	t.Run("until the proxy drains", func(t *testing.T) {
		p, s, _, done := start(t)
		if err := s.Drain(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-p.ended; !errors.Is(err, ErrDraining) {
			t.Errorf("the pause ended with %v", err)
		}
		if err := (*pgconn.PgError)(nil); !errors.As(<-done, &err) || err.Code != "57014" {
			t.Errorf("the client got %v", err)
		}
	})
}
