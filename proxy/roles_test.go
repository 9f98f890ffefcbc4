package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
)

// pair is a primary and a standby of it.
func pair(t *testing.T) (primary, standby *pgtest.Cluster) {
	t.Helper()
	primary, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop() })
	if standby, err = primary.Standby(t); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop() })
	return primary, standby
}

func upstreamOf(attrs string, hosts ...*pgtest.Cluster) string {
	var addrs []string
	for _, h := range hosts {
		addrs = append(addrs, h.Addr())
	}
	return "postgres://postgres@" + strings.Join(addrs, ",") + "/?sslmode=disable&target_session_attrs=" + attrs
}

// port is where a session through the proxy has come to, or the SQLSTATE that it got.
func port(t *testing.T, s *Server) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), proxyURL(s, "postgres"))
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		return pe.Code
	}
	if err != nil {
		return err.Error()
	}
	defer c.Close(context.Background())
	var at string
	if err := c.QueryRow(t.Context(), "SHOW port").Scan(&at); err != nil {
		return err.Error()
	}
	return at
}

func TestRoles(t *testing.T) {
	primary, standby := pair(t)
	to := func(c *pgtest.Cluster) string { return fmt.Sprint(c.Port) }
	for attrs, want := range map[string]string{
		"read-write": to(primary), "primary": to(primary), "read-only": to(standby), "standby": to(standby), "prefer-standby": to(standby), "any": to(primary),
	} {
		t.Run(attrs, func(t *testing.T) {
			for name, hosts := range map[string][]*pgtest.Cluster{"in order": {primary, standby}, "reversed": {standby, primary}} {
				if attrs == "any" && name == "reversed" {
					continue
				}
				s := serve(t, Options{Upstream: upstreamOf(attrs, hosts...)})
				for range 3 {
					if at := port(t, s); at != want {
						t.Errorf("%s: at %s, want %s", name, at, want)
					}
				}
			}
		})
	}
	t.Run("the only one is second choice", func(t *testing.T) {
		s := serve(t, Options{Upstream: upstreamOf("prefer-standby", primary)})
		if at := port(t, s); at != to(primary) {
			t.Error(at)
		}
	})
	t.Run("none has it", func(t *testing.T) {
		s := serve(t, Options{Upstream: upstreamOf("standby", primary) + "&connect_timeout=1"})
		_, err := pgx.Connect(t.Context(), proxyURL(s, "postgres"))
		var pe *pgconn.PgError
		if !errors.As(err, &pe) || pe.Code != codeCannotConnect || !strings.Contains(pe.Detail, "server is not in hot standby mode") {
			t.Errorf("%v: %+v", err, pe)
		}
	})
	t.Run("it has changed since the server was asked", func(t *testing.T) {
		pgtest.Since(t, 14, "in_hot_standby")
		s := serve(t, Options{Upstream: upstreamOf("primary", primary)})
		port(t, s)
		roles := s.legs.Load().roles
		eventually(t, "the session is refused", func() bool {
			roles.set(0, role{asked: true, fit: fitting, standby: "on"}) // until it is asked again
			return port(t, s) == codeCannotConnect
		})
		eventually(t, "it is asked again", func() bool { return port(t, s) == to(primary) })
	})
}

// The primary dies and the standby is promoted: sessions that come meanwhile wait,
// and get to the new primary; also where all is reloaded then.
func TestRoles_Failover(t *testing.T) {
	t.Run("with nothing else", func(t *testing.T) { testFailover(t, func(*Server) {}) })
	t.Run("amid a reload", func(t *testing.T) {
		testFailover(t, func(s *Server) {
			for range 2 {
				apply, err := s.Reload(nil, false)
				if err != nil {
					t.Fatal(err)
				}
				apply()
			}
		})
	})
}

func testFailover(t *testing.T, meanwhile func(*Server)) {
	primary, standby := pair(t)
	s := serve(t, Options{Upstream: upstreamOf("read-write", primary, standby) + "&connect_timeout=60"})
	old := connect(t, proxyURL(s, "postgres"))
	if err := primary.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	primary.Wait()
	if _, err := old.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the old session lives")
	}
	came := make(chan string)
	go func() { came <- port(t, s) }()
	eventually(t, "it waits", func() bool { return s.Stats().Sessions == 1 })
	meanwhile(s)
	pgtest.Exec(t, standby.URL("postgres"), "SELECT pg_promote()")
	if at := <-came; at != fmt.Sprint(standby.Port) {
		t.Errorf("at %s", at)
	}
}

// With load_balance_hosts=random sessions go to several hosts that are alike; a host that
// is gone costs none of them.
func TestRoles_Random(t *testing.T) {
	primary, standby := pair(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	url := func(attrs string) string {
		return "postgres://postgres@" + strings.Join([]string{gone, primary.Addr(), standby.Addr()}, ",") + "/?sslmode=disable&load_balance_hosts=random&target_session_attrs=" + attrs
	}
	both := map[string]bool{fmt.Sprint(primary.Port): true, fmt.Sprint(standby.Port): true}
	for attrs, want := range map[string]map[string]bool{
		"any": both, "read-write": {fmt.Sprint(primary.Port): true}, "prefer-standby": {fmt.Sprint(standby.Port): true},
	} {
		t.Run(attrs, func(t *testing.T) {
			s := serve(t, Options{Upstream: url(attrs)})
			got := map[string]bool{}
			for n := 0; n < 100 && (n < 10 || len(got) < len(want)); n++ { // that two alike get no session of 100: 1 in 2^99
				got[port(t, s)] = true
			}
			if !maps.Equal(got, want) {
				t.Errorf("sessions at %v, want %v", got, want)
			}
		})
	}
}

// So with the addresses behind one name.
func TestUpstream_RandomAddresses(t *testing.T) {
	l, err := parseUpstream(Options{Upstream: "postgres://u@db.example:1/?sslmode=disable&load_balance_hosts=random"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, number, _ := net.SplitHostPort(first.Addr().String())
	second, err := net.Listen("tcp", "127.0.0.2:"+number)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	ep := l.hosts[0].endpoints[0]
	ep.addr, ep.timeout = "db.example:"+number, time.Minute
	ep.lookup = func(_ context.Context, host string) ([]string, error) {
		if host != "db.example" {
			t.Errorf("looks for %s", host)
		}
		return []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, nil // nobody listens at the last one
	}
	got := map[string]bool{}
	for n := 0; n < 100 && len(got) < 2; n++ {
		c, err := ep.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got[c.RemoteAddr().String()] = true
		c.Close()
	}
	if len(got) != 2 {
		t.Errorf("connections to %v", got)
	}
	ep.lookup = func(context.Context, string) ([]string, error) { return nil, errors.New("no such name") }
	if _, err := ep.connect(t.Context()); err == nil || !isDialError(err) || !strings.Contains(err.Error(), "no such name") {
		t.Errorf("%v", err)
	}
}

// The primary's machine stops answering, without a word, and the standby is promoted: a
// session that waits for the old one is ended, not so one of a server that only
// has a second one beside it.
func TestRoles_StrandedSessionsEnd(t *testing.T) {
	pgtest.Since(t, 14, "in_hot_standby")
	primary, standby := pair(t)
	s := serve(t, Options{Upstream: upstreamOf("primary", primary, standby) + "&connect_timeout=2"})
	old := connect(t, proxyURL(s, "postgres"))
	waits := make(chan error, 1)
	go func() {
		_, err := old.Exec(t.Context(), "SELECT pg_sleep(600)")
		waits <- err
	}()
	direct, watcher := connect(t, primary.URL("postgres")), connect(t, standby.URL("postgres"))
	if _, err := watcher.Exec(t.Context(), "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	roles := s.legs.Load().roles
	eventually(t, "there are two primaries", func() bool { return roles.standby(1) == "off" })
	select {
	case err := <-waits:
		t.Fatalf("a session of a primary that answers has ended: %v", err)
	default:
	}
	rows, err := direct.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	if err := primary.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Signal(syscall.SIGCONT) })
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	}
	select {
	case err := <-waits:
		var pe *pgconn.PgError
		if !errors.As(err, &pe) || pe.Code != codeConnectionFailure || !strings.Contains(pe.Message, "another one has taken its place") {
			t.Errorf("the client was told %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the session waits")
	}
	if at := port(t, s); at != fmt.Sprint(standby.Port) {
		t.Errorf("a new session is at %s", at)
	}
	eventually(t, "nobody is aboard", func() bool {
		roles.mu.Lock()
		defer roles.mu.Unlock()
		return len(roles.aboard[0]) == 0
	})
}
