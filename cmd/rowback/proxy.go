package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/doctor"
	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/internal/handover"
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
and uncountable hold from the next statement on, in open sessions too, TLS files
(those that --upstream names, too) from the next connection on, and the tokens and
certificates of the admin endpoint; any other setting
that changed is named in the log and waits for a restart. A file that
cannot be used, or is empty, changes nothing.

SIGUSR2 restarts it without downtime: it starts the program that stands in its
place now, which takes the listening sockets over. Sessions that are open go on
in the old process until their clients end them (--handover-limit). If the new
process cannot start, the old one goes on as before. systemd is told
(Type=notify), and may open the sockets (socket activation).`,
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
	// control opens connections of the proxy's own; nil without credentials.
	control func(context.Context, string) (catalog.Querier, func(), error)

	journal   journal.Journal // nil with mode off for everything
	activated bool            // the service manager opened the listening socket
	hup, usr2 chan os.Signal  // see listen
	stopping  bool            // belongs to run: it is to drain
	generations
}

func runProxy(cmd *cobra.Command, s *settings) (err error) {
	ctx := cmd.Context()
	logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	metrics := guard.NewMetrics()

	elder, files, err := handover.Inherit()
	if err != nil {
		return err
	}
	defer files.Close()
	if elder != nil {
		defer elder.Close()
	}

	// What runs beside the sessions goes on while they drain.
	side, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	end := func() {
		stop()
		beside.Wait()
	}
	defer end()

	v := serving{logger: logger, ready: []probe{upstreamAnswers(s.Upstream).kept(time.Now)},
		generations: generations{elder: elder, asks: make(chan func()), deaf: make(chan struct{})}}
	v.limit, _ = parseAgo(s.HandoverLimit)
	defer v.listen()()
	options := proxy.Options{Listen: s.Listen, Upstream: s.Upstream, Logger: logger,
		Loops: proxy.HalfOfProcessors(), MaxSessions: int(s.MaxSessions), MaxPerUser: int(s.MaxPerUser), MaxPerAddress: int(s.MaxPerAddress), RequireTLS: s.requireTLS()}
	options.MaxPerNetwork, _ = perNetwork(s.MaxPerNetwork)
	longest, _ := parseSize(s.MaxMessage)
	options.MaxMessage = int(longest)
	options.Memory = s.memory()
	if there := s.overMemory(); there != "" {
		logger.Warn("max-memory is more than there is: the kernel ends the proxy before it holds back", "max-memory", s.MaxMemory, "there", there)
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + options.Loops) // the loops keep theirs
	if options.TLS, err = s.tls(); err != nil {
		return usageError(err)
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
		j, err := s.openJournal(ctx, journal.Options{Proxy: name, Key: key, Logger: logger, Lock: files[giveJournal]})
		if err != nil {
			return err
		}
		defer func() {
			end() // it may be writing
			err = errors.Join(err, j.Close())
		}()
		delete(files, giveJournal)
		v.journal = j
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
			Policy: s.rules, Journal: j, Control: control, Proxy: name, JournalName: func() string { return s.journalName(j) }, Spill: s.journalDirectory(), Memory: options.Memory, Alerts: v.alerts, Metrics: metrics, Logger: logger,
		})
		if err != nil {
			return err
		}
		options.Judge = v.judge
		if elder == nil {
			v.endHolds(ctx)
		}
		v.control = control
		beside.Go(func() { v.judge.Run(side) })
		beside.Go(func() { keepJournal(side, j, s.limits(), logger) })
	}
	var adminListener net.Listener
	if options.Listener, adminListener, err = v.listeners(s, files); err != nil {
		return err
	}
	files.Close() // of addresses that are this process's no more
	if elder != nil {
		options.Elsewhere = elder.Cancel
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
		o := adminOptions{listener: adminListener, addr: s.Admin, proxy: v.server, memory: options.Memory, metrics: metrics, ready: v.ready, journal: v.journal, logger: logger}
		if o.door, err = s.door(); err != nil {
			return err
		}
		if l := adminListener; l != nil && l.Addr().Network() == "tcp" { // opened by another: not where admin says
			if err := s.checkAdminAccess(l.Addr().String()); err != nil {
				return usageError(err)
			}
		}
		if v.admin, err = startAdmin(o); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, v.admin.close()) }()
	}
	v.announce(s)
	if elder != nil {
		if err := elder.Ready(); err != nil {
			return err
		}
		v.countBoth(ctx)
	}
	v.tell(daemon.SdNotifyReady)
	fmt.Fprintf(cmd.ErrOrStderr(), "listening on %s\n", v.server.Addr())
	beside.Go(func() {
		if err := v.ready[0](side); err != nil && side.Err() == nil {
			logger.Warn("clients cannot be served yet; every connection tries again", "error", err)
		} else if err := v.tryControl(side, s.Upstream); err != nil && side.Err() == nil {
			logger.Warn("rowback's own connection to the upstream does not work, and without one entries in doubt wait for a session; "+doctor.ControlMend(err), "error", err)
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
	if _, err := s.restore(); err != nil { // the proxy needs none of it
		v.logger.Warn("restores are refused as long as this stands in the configuration", "error", err)
	}
}
