package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/proxy"
)

// adminServer answers /metrics, /healthz and /readyz.
type adminServer struct {
	http     *http.Server
	listener net.Listener
	stopped  chan error
	draining atomic.Bool
}

// startAdmin serves l, or listens on addr if that is nil; ready must all hold for
// /readyz. The caller closes what is returned; l is closed in any case.
func startAdmin(l net.Listener, addr string, p *proxy.Server, m *guard.Metrics, ready []probe) (*adminServer, error) {
	ours := false
	defer func() {
		if l != nil && !ours {
			l.Close()
		}
	}()
	registry := prometheus.NewRegistry()
	sessions := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rowback_sessions", Help: "Client sessions now."},
		func() float64 { return float64(p.Stats().Sessions) })
	accepted := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "rowback_connections_total", Help: "Connections accepted."},
		func() float64 { return float64(p.Stats().Accepted) })
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rowback_build_info", Help: "1, with the version that runs.", ConstLabels: prometheus.Labels{"version": thisBuild().Version}},
		func() float64 { return 1 })
	for _, c := range []prometheus.Collector{sessions, accepted, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	if err := m.Register(registry); err != nil {
		return nil, err
	}
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", addr); err != nil {
			return nil, fmt.Errorf("admin endpoint: %w; give another address with --admin, or --admin off", err)
		}
	}
	ours = true
	a := &adminServer{listener: l, stopped: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, q *http.Request) {
		if a.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		var errs []error
		for _, p := range ready {
			errs = append(errs, p(q.Context()))
		}
		if err := errors.Join(errs...); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	a.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() { a.stopped <- a.http.Serve(l) }()
	return a, nil
}

// file is the listening socket, for another process. The caller closes it.
func (a *adminServer) file() (*os.File, error) {
	l, ok := a.listener.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, errors.New("the admin endpoint cannot be handed over")
	}
	return l.File()
}

// retire leaves the socket to another process. Answers under way are finished.
func (a *adminServer) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	go func() {
		defer cancel()
		_ = a.http.Shutdown(ctx) // close, at the end, does the rest
	}()
}

func (a *adminServer) close() error {
	err := a.http.Close()
	if serr := <-a.stopped; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
