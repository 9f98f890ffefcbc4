package proxy

import (
	"context"
	"net"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// successor serves the socket of s, which retires.
func successor(t *testing.T, s *Server, o Options) *Server {
	t.Helper()
	f, err := s.ListenerFile()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if o.Listener, err = net.FileListener(f); err != nil {
		t.Fatal(err)
	}
	if u, ok := o.Listener.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(true)
	}
	next := serve(t, o)
	if err := s.Retire(); err != nil {
		t.Fatal(err)
	}
	return next
}

func TestRetire_SessionsGoOnAndNewOnesGoToTheNext(t *testing.T) {
	for name, listen := range map[string]string{"TCP": "", "unix": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			old := serve(t, Options{Listen: listen})
			idle, silent := rawSession(t, old), dial(t, old)
			for old.Stats().Accepted < 2 {
				runtime.Gosched()
			}
			next := successor(t, old, Options{})
			write(t, idle, frame(&pgproto3.Query{String: "SELECT 1"}))
			readUntil(t, idle, 'Z')
			write(t, silent, packet(3<<16, startupBody))
			readUntil(t, silent, 'Z')
			if n := next.Stats().Accepted; n != 0 {
				t.Errorf("the next one has accepted %d", n)
			}
			rawSession(t, next)
			if n := next.Stats().Accepted; n != 1 {
				t.Errorf("the next one has accepted %d", n)
			}
			for _, c := range []net.Conn{idle, silent} {
				write(t, c, frame(&pgproto3.Terminate{}))
				wantClosed(t, c)
			}
			<-old.done // no session is left
			rawSession(t, next)
		})
	}
}

func TestRetire_DrainEndsWhatIsLeft(t *testing.T) {
	old := serve(t, Options{})
	idle := rawSession(t, old)
	successor(t, old, Options{})
	if err := old.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	wantError(t, idle, codeAdminShutdown)
}

func TestCancel_OfASessionElsewhere(t *testing.T) {
	old, watcher := serve(t, Options{}), connect(t, pgtest.Shared(t).URL("postgres"))
	c := dial(t, old)
	write(t, c, packet(3<<16, startupBody))
	_, key := readUntil(t, c, 'K')
	readUntil(t, c, 'Z')
	next := successor(t, old, Options{Elsewhere: func(key []byte) bool {
		found, err := old.Cancel(context.Background(), key)
		if err != nil {
			t.Error(err)
		}
		return found
	}})
	write(t, c, frame(&pgproto3.Query{String: "SELECT pg_sleep(600)"}))
	eventually(t, "the query runs", func() bool { return sleeps(t, watcher, key) })
	for _, sent := range []string{string(key[:4]) + "nope", string(key)} {
		request := dial(t, next)
		write(t, request, packet(requestCancel, sent))
		wantClosed(t, request)
	}
	_, body := readUntil(t, c, 'E')
	if code := errorField(body, 'C'); code != "57014" {
		t.Errorf("SQLSTATE %s", code)
	}
	if n := old.Stats().Canceled; n != 1 {
		t.Errorf("%d were passed on", n)
	}
}
