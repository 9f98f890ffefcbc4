package proxy

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, pgtest.Options{Unsafe: true}) }

// serve runs a proxy for the test and stops it at its end; o.Upstream defaults
// to the shared cluster. No goroutine may be left then.
func serve(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Upstream == "" {
		o.Upstream = pgtest.Shared(t).URL("postgres")
	}
	before := goleak.IgnoreCurrent() // the cluster's own among them
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	eventually(t, "it serves", func() bool { // its goroutines are no later server's leak
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.stopAll != nil
	})
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("Serve:", err)
		}
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/rowback/rowback/internal/child.(*Process).run"))
	})
	return s
}

// proxyURL is a superuser's connection string through the proxy.
func proxyURL(s *Server, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: s.Addr().String(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}
