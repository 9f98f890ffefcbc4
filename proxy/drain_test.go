package proxy

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestDrain_EndsSessionsWhenTheyAreIdle(t *testing.T) {
	for name, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{Judge: judge})
			idle, busy, silent := rawSession(t, s), rawSession(t, s), dial(t, s)
			write(t, busy, frame(&pgproto3.Query{String: "BEGIN"}))
			readUntil(t, busy, 'Z')
			drained := make(chan error)
			go func() { drained <- s.Drain(context.Background()) }()
			wantError(t, idle, codeAdminShutdown)
			wantClosed(t, silent)
			if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
				c.Close()
				t.Error("a connection was accepted")
			}
			write(t, busy, frame(&pgproto3.Query{String: "SELECT 1"}))
			if _, status := readUntil(t, busy, 'Z'); string(status) != "T" {
				t.Errorf("status %q", status)
			}
			write(t, busy, frame(&pgproto3.Query{String: "COMMIT"}))
			if types, status := readUntil(t, busy, 'Z'); types != "CZ" || string(status) != "I" {
				t.Errorf("%s, status %q", types, status)
			}
			wantError(t, busy, codeAdminShutdown)
			if err := <-drained; err != nil {
				t.Error(err)
			}
		})
	}
}

// The session may end by the drain while its client's side is still worked on, with
// nothing more to read; not in the middle of an exchange.
func TestDrain_AtTheEndOfAnExchange(t *testing.T) {
	for name, again := range map[string]bool{"asked once": false, "asked again": true} {
		t.Run(name, func(t *testing.T) {
			under, end := make(chan struct{}), make(chan struct{})
			s := serve(t, Options{Judge: judgeFunc(func(ctx context.Context, w Wire, _ byte, _ []byte) error {
				if _, err := w.Quiesce(ctx); err != nil {
					return err
				}
				close(under)
				<-end
				if again {
					if _, err := w.Quiesce(ctx); err != nil {
						return err
					}
				}
				return errors.Join(w.Reply('I', nil), w.Reply('Z', []byte{'I'}))
			})})
			c := rawSession(t, s)
			write(t, c, frame(&pgproto3.Query{String: ""}))
			<-under
			drained := make(chan error)
			go func() { drained <- s.Drain(context.Background()) }()
			awaitDraining(s)
			close(end)
			readUntil(t, c, 'Z')
			wantError(t, c, codeAdminShutdown)
			if err := <-drained; err != nil {
				t.Error(err)
			}
		})
	}
}

// awaitDraining waits until the one session has been told, in an exchange.
func awaitDraining(s *Server) {
	for draining := false; !draining; runtime.Gosched() {
		s.mu.Lock()
		for r := range s.relays {
			r.mu.Lock()
			draining = r.draining && r.judging
			r.mu.Unlock()
		}
		s.mu.Unlock()
	}
}

// A message under judgement is not taken for idleness when the one before it is answered.
func TestDrain_BetweenTwoMessages(t *testing.T) {
	other := connect(t, pgtest.Shared(t).URL("postgres"))
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_lock(7)"); err != nil {
		t.Fatal(err)
	}
	under, n := make(chan struct{}), 0
	s := serve(t, Options{Judge: judgeFunc(func(ctx context.Context, w Wire, _ byte, _ []byte) error {
		if n++; n == 1 {
			w.Forward()
			return nil
		}
		close(under)
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		return errors.Join(w.Reply('I', nil), w.Reply('Z', []byte{'I'}))
	})})
	c := rawSession(t, s)
	write(t, c, frame(&pgproto3.Query{String: "SELECT pg_advisory_lock(7)"}))
	write(t, c, frame(&pgproto3.Query{String: ""}))
	<-under
	drained := make(chan error)
	go func() { drained <- s.Drain(context.Background()) }()
	awaitDraining(s)
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_unlock(7)"); err != nil {
		t.Fatal(err)
	}
	readUntil(t, c, 'Z')
	readUntil(t, c, 'Z')
	wantError(t, c, codeAdminShutdown)
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// What was sent without a Sync is a transaction under way, though all of it is answered.
func TestDrain_AmidAPipeline(t *testing.T) {
	for name, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{Judge: judge})
			c := rawSession(t, s)
			for _, m := range []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{}} {
				write(t, c, frame(m))
			}
			readUntil(t, c, 'C')
			drained := make(chan error)
			go func() { drained <- s.Drain(context.Background()) }()
			awaitTold(t, s)
			for _, m := range []pgproto3.FrontendMessage{&pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}} {
				write(t, c, frame(m))
			}
			if types, _ := readUntil(t, c, 'Z'); types != "2DCZ" {
				t.Errorf("%s", types)
			}
			wantError(t, c, codeAdminShutdown)
			if err := <-drained; err != nil {
				t.Error(err)
			}
		})
	}
}

// awaitTold waits until the one session has been told.
func awaitTold(t *testing.T, s *Server) {
	eventually(t, "the session to be told", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		told := true
		for r := range s.relays {
			r.mu.Lock()
			told = told && r.draining
			r.mu.Unlock()
		}
		return told
	})
}

func TestDrain_EndsAtOnce(t *testing.T) {
	for name, drain := range map[string]func(*Server) error{
		"when its context ends": func(s *Server) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return s.Drain(ctx)
		},
		"when it is called again": func(s *Server) error {
			first := make(chan error)
			go func() { first <- s.Drain(context.Background()) }()
			for {
				s.mu.Lock()
				draining := s.draining
				s.mu.Unlock()
				if draining {
					break
				}
			}
			return errors.Join(context.Canceled, s.Drain(context.Background()), <-first)
		},
		"when its time is over": func(s *Server) error {
			s.o.DrainTimeout = time.Millisecond
			return s.Drain(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{})
			busy := rawSession(t, s)
			write(t, busy, frame(&pgproto3.Query{String: "BEGIN"}))
			readUntil(t, busy, 'Z')
			err := drain(s)
			if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			wantError(t, busy, codeAdminShutdown)
		})
	}
}
