package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
	"github.com/rowback/rowback/proxy"
)

func newProxyCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "proxy",
		Short: "Stands in front of PostgreSQL and guards it",
		Long: `Accepts PostgreSQL clients, passes them on to the upstream server, and counts
the rows that each statement really removes, cascades included. Over the
threshold a statement is refused with SQLSTATE RB001 and nothing is removed
(--mode block), or goes through and people are told (--mode alert). Every removed
row's key is in the journal before its transaction may commit.

Runs until SIGTERM or SIGINT: sessions end as they become idle. A second signal
ends it at once. SIGHUP reads the configuration file again: rules, defaults,
alerts, webhook, mode (but to and from off for everything), threshold, uncaptured
and uncountable hold from the next statement on, in open sessions too; any other
setting that changed is named in the log and waits for a restart. A file that
cannot be used changes nothing.`,
		Example: `  rowback proxy --upstream 127.0.0.1:5432
  rowback proxy --listen 0.0.0.0:6432 --upstream db.internal:5432 --threshold 500
  rowback proxy --mode alert --webhook https://hooks.example.com/T00/B00
  psql "host=127.0.0.1 port=6432 dbname=shop"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runProxy(cmd, s) },
	}
	s.addProxyFlags(cmd.Flags())
	return cmd
}

// serving is a proxy with what runs beside it.
type serving struct {
	server *proxy.Server
	ready  []probe
	judge  *guard.Judge   // nil with mode off for everything
	alerts *alert.Alerter // nil likewise
	admin  *adminServer   // nil if switched off
	logger *slog.Logger
}

func runProxy(cmd *cobra.Command, s *settings) (err error) {
	ctx := cmd.Context()
	logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	metrics := guard.NewMetrics()

	// What runs beside the sessions goes on while they drain.
	side, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	end := func() {
		stop()
		beside.Wait()
	}
	defer end()

	v := serving{logger: logger, ready: []probe{upstreamAnswers(s.Upstream).kept(time.Now)}}
	options := proxy.Options{Listen: s.Listen, Upstream: s.Upstream, Logger: logger,
		MaxSessions: int(s.MaxSessions), MaxPerUser: int(s.MaxPerUser), MaxPerAddress: int(s.MaxPerAddress)}
	if s.TLSCert != "" {
		if options.TLS, err = proxy.LoadTLS(s.TLSCert, s.TLSKey, s.TLSClientCA); err != nil {
			return usageError(err)
		}
	}
	if s.guards() {
		id := make([]byte, 6)
		_, _ = rand.Read(id) // never fails
		host, _ := os.Hostname()
		name := host + "-" + hex.EncodeToString(id)
		key, err := s.journalKey()
		if err != nil {
			return err
		}
		j, err := s.openJournal(ctx, journal.Options{Proxy: name, Key: key, Logger: logger})
		if err != nil {
			return err
		}
		defer func() {
			end() // it may be writing
			err = errors.Join(err, j.Close())
		}()
		v.ready = append(v.ready, journalTakes(j).kept(time.Now))
		sinks, err := s.alerts()
		if err != nil {
			return err
		}
		v.alerts = alert.New(sinks, alert.Options{Logger: logger, Delivered: metrics.AlertDelivered, Proxy: name})
		beside.Go(func() { v.alerts.Run(side) })
		control, err := controlFunc(s.Upstream)
		if err != nil {
			return usageError(err)
		}
		v.judge, err = guard.New(ctx, guard.Options{
			Policy: s.rules, Journal: j, Control: control, Proxy: name, JournalName: func() string { return s.journalName(j) }, Spill: s.journalDirectory(), Alerts: v.alerts, Metrics: metrics, Logger: logger,
		})
		if err != nil {
			return err
		}
		options.Judge = v.judge
		beside.Go(func() { v.judge.Run(side) })
		beside.Go(func() { keepJournal(side, j, s.limits(), logger) })
	}
	if v.server, err = proxy.New(options); err != nil {
		return usageError(err)
	}
	if err := v.server.Listen(ctx); err != nil {
		return err
	}
	if itself(s.Upstream, v.server.Addr()) {
		return usageError(fmt.Errorf("upstream %s is where this proxy listens itself: every session would open another one; name the server behind it", redact(s.Upstream)))
	}
	if s.Admin != "" && s.Admin != "off" {
		if v.admin, err = startAdmin(s.Admin, v.server, metrics, v.ready); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, v.admin.close()) }()
	}
	v.announce(s)
	fmt.Fprintf(cmd.ErrOrStderr(), "listening on %s\n", v.server.Addr())
	beside.Go(func() {
		if err := v.ready[0](side); err != nil && side.Err() == nil {
			logger.Warn("clients cannot be served yet; every connection tries again", "error", err)
		}
	})
	return v.run(ctx, cmd, s)
}

// announce says what this proxy is and does.
func (v *serving) announce(s *settings) {
	what := []any{"version", thisBuild().Version, "upstream", redact(s.Upstream)}
	if s.guards() {
		what = append(what, "journal", journals.Name(s.Journal))
	}
	if s.ConfigFile != "" {
		what = append(what, "configuration", s.ConfigFile)
	}
	v.logger.Info("starting", append(what, "mode", s.Mode, "threshold", s.Threshold)...)
	v.announceRules(s)
	if !s.guards() {
		v.logger.Warn("mode is off: nothing is guarded, and nothing is recorded")
	}
}

// announceRules says what is allowed from now on, a line a rule.
func (v *serving) announceRules(s *settings) {
	for _, r := range s.rules.Rules {
		v.logger.Info("rule " + r.String())
	}
	v.logger.Info("rule " + s.rules.Default.String())
	for _, sh := range s.rules.Shadows() {
		v.logger.Warn("a rule is never reached", "rule", sh.Rule.Name, "because", sh.By.Name+" takes all that it would")
	}
}

// run serves until ctx ends, then drains.
func (v *serving) run(ctx context.Context, cmd *cobra.Command, s *settings) error {
	// A limit on file sizes is an error of the journal's write, not the proxy's end.
	signal.Ignore(syscall.SIGXFSZ)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	// Serve's own context would end the sessions at once.
	served := make(chan error, 1)
	go func() { served <- v.server.Serve(context.WithoutCancel(ctx)) }()
	for {
		select {
		case err := <-served:
			return err
		case <-hup:
			v.reload(cmd, s)
		case <-ctx.Done():
			if v.admin != nil {
				v.admin.draining.Store(true)
			}
			v.logger.Info("draining; a second signal ends the sessions at once", "sessions", v.server.Stats().Sessions)
			if err := v.server.Drain(context.WithoutCancel(ctx)); err != nil {
				return err
			}
			return <-served
		}
	}
}

// reload reads the settings again. Bad ones are refused and the old ones stay.
func (v *serving) reload(cmd *cobra.Command, s *settings) {
	fresh := *s
	if err := fresh.load(cmd.Flags()); err != nil {
		v.logger.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	sinks, err := fresh.alerts()
	if err != nil {
		v.logger.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	if fresh.guards() != (v.judge != nil) {
		v.logger.Error("configuration not reloaded: switching the guard on or off needs a restart")
		return
	}
	if v.judge != nil {
		if err := v.judge.SetPolicy(context.Background(), fresh.rules); err != nil {
			v.logger.Error("configuration not reloaded; the old one stays", "error", err)
			return
		}
		v.alerts.Reload(sinks)
	}
	if names := s.needRestart(&fresh); len(names) > 0 {
		v.logger.Warn("some settings that changed need a restart; the old ones stay", "settings", strings.Join(names, ", "))
	}
	v.logger.Info("configuration reloaded", "mode", fresh.Mode, "threshold", fresh.Threshold, "uncaptured", fresh.Uncaptured, "uncountable", fresh.Uncountable)
	v.announceRules(&fresh)
}

// needRestart names the settings that a running proxy cannot take over from fresh.
func (s *settings) needRestart(fresh *settings) (names []string) {
	old := s.all()
	for i, v := range fresh.all() {
		switch v.name {
		case "mode", "threshold", "uncaptured", "uncountable", "webhook": // taken over
		case "production", "recovery", "output": // not the proxy's
		default:
			if v.value() != old[i].value() {
				names = append(names, v.name)
			}
		}
	}
	return names
}
