package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

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
	if standby, err = primary.Standby(t.Context()); err != nil {
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
// and get to the new primary.
func TestRoles_Failover(t *testing.T) {
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
	pgtest.Exec(t, standby.URL("postgres"), "SELECT pg_promote()")
	if at := <-came; at != fmt.Sprint(standby.Port) {
		t.Errorf("at %s", at)
	}
}
