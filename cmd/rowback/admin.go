package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/internal/sparing"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// adminServer answers /metrics, /healthz, /readyz, and the API.
type adminServer struct {
	http     *http.Server
	listener net.Listener
	stopped  chan error
	draining atomic.Bool
	door     atomic.Pointer[door]

	conns     conns
	finishing sync.WaitGroup // answers under way when it retired
}

// adminOptions of startAdmin.
type adminOptions struct {
	listener net.Listener // nil: it listens on addr
	addr     string
	door     door
	proxy    *proxy.Server
	memory   *budget.Budget
	metrics  *guard.Metrics
	ready    []probe         // all must hold for /readyz
	journal  journal.Journal // nil: there is none, and no API
	logger   *slog.Logger
}

// strangers writes what net/http says, of clients mostly, to the log.
type strangers struct {
	log   *slog.Logger
	lines sparing.Lines
}

func (s *strangers) Write(b []byte) (int, error) {
	s.lines.Warn(s.log, "admin endpoint", "error", strings.TrimSpace(string(b)))
	return len(b), nil
}

// startAdmin serves. The caller closes what is returned; the listener is closed in
// any case.
func startAdmin(o adminOptions) (*adminServer, error) {
	l, p := o.listener, o.proxy
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
	if o.memory == nil {
		o.memory = budget.New(0)
	}
	memory := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rowback_memory_used_bytes", Help: "What long messages and captured rows have now of the third of max-memory that is for them."},
		func() float64 { return float64(o.memory.Used()) })
	limit := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rowback_memory_limit_bytes", Help: "That third of max-memory."},
		func() float64 { return float64(o.memory.Limit()) })
	full := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "rowback_memory_refused_total", Help: "Messages that found no room in it (SQLSTATE 53200)."},
		func() float64 { return float64(o.memory.Failed()) })
	for _, c := range []prometheus.Collector{sessions, accepted, memory, limit, full, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	if err := o.metrics.Register(registry); err != nil {
		return nil, err
	}
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", o.addr); err != nil {
			return nil, fmt.Errorf("admin endpoint: %w; give another address with --admin, or --admin off", err)
		}
	}
	ours = true
	a := &adminServer{listener: l, stopped: make(chan error, 1)}
	a.door.Store(&o.door)
	who := askers(func() access { return a.door.Load().access })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", who.reading(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP))
	if o.journal != nil {
		api{o.journal}.handle(mux, who)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "rowback: /healthz and /readyz, for all; /metrics\nwith a token: GET /api/v1/entries, /api/v1/entries/ID and /api/v1/holds, POST /api/v1/holds/ID\n")
	})
	// Both are for machines that have no token: they say no more than they must.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, q *http.Request) {
		if a.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		var errs []error
		for _, p := range o.ready {
			errs = append(errs, p(q.Context()))
		}
		if err := errors.Join(errs...); err != nil {
			why := "not ready; the proxy's log, or this with a token, says why"
			if who().identified(q) || onLoopback(q.RemoteAddr) && byAddress(q.Host) {
				why = err.Error()
			}
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	a.http = &http.Server{Handler: a.conns.answering(http.NewCrossOriginProtection().Handler(mux)), MaxHeaderBytes: 1 << 16,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 5 * time.Minute, IdleTimeout: time.Minute,
		ConnState: a.conns.state, ConnContext: withConn, ErrorLog: log.New(&strangers{log: o.logger}, "", 0)}
	go func() {
		if o.door.tls != nil {
			a.http.TLSConfig = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return a.door.Load().tls, nil }}
			a.stopped <- a.http.ServeTLS(l, "", "")
			return
		}
		a.stopped <- a.http.Serve(l)
	}()
	return a, nil
}

// reload has d in force, also for connections that are open. Whether it speaks TLS stays.
func (a *adminServer) reload(d door) {
	if (d.tls == nil) != (a.door.Load().tls == nil) {
		return // as needRestart says
	}
	a.door.Store(&d)
	if d.tls != nil { // a token comes with each request
		a.conns.renew()
	}
}

// file is the listening socket, for another process. The caller closes it.
func (a *adminServer) file() (*os.File, error) {
	return proxy.FileOf(a.listener)
}

// retire leaves the socket to another process. Answers under way are finished.
func (a *adminServer) retire() {
	_ = a.listener.Close()
	a.finishing.Go(func() {
		// Not by Shutdown, which leaves requests that come now without an answer.
		a.stopped <- <-a.stopped // every connection is known
		for deadline := time.Now().Add(5 * time.Second); a.conns.busy() && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func (a *adminServer) close() error {
	a.finishing.Wait()
	err := a.http.Close()
	if serr := <-a.stopped; !errors.Is(serr, http.ErrServerClosed) && !errors.Is(serr, net.ErrClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
