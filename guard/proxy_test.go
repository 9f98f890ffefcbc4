package guard_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"testing"

	"github.com/rowback/rowback/proxy"
)

// startProxy runs a proxy until the test ends, or until stop is called, which
// ends its sessions at once.
func startProxy(t *testing.T, upstream string, judge proxy.Judge, logger *slog.Logger) (addr string, stop func()) {
	t.Helper()
	return startProxyUnder(t, nil, upstream, judge, logger)
}

// startProxyUnder starts one that offers clients TLS.
func startProxyUnder(t *testing.T, tls *tls.Config, upstream string, judge proxy.Judge, logger *slog.Logger) (addr string, stop func()) {
	t.Helper()
	s, err := proxy.New(proxy.Options{Listen: "127.0.0.1:0", Loops: 1, Upstream: "postgres://" + upstream + "/?sslmode=disable", Judge: judge, Logger: logger, TLS: tls})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s.Addr().String(), stop
}
