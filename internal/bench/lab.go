package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/pooler"
)

// lab is what is measured: one server, and proxies in front of it.
type lab struct {
	options
	begun        time.Time
	dir          string
	server       *pgtest.Cluster
	block, alert *proxyProcess
	off          *proxyProcess // judges nothing
	bouncer      *pooler.Pooler
	relay        *relay          // nil: no case has asked for it
	made         map[string]bool // data sets, by name

	proxies []*proxyProcess  // all that were started
	poolers []*pooler.Pooler // likewise
}

// once makes a data set unless it is there.
func (l *lab) once(name string, do func() error) error {
	if l.made[name] {
		return nil
	}
	l.made[name] = true
	return do()
}

func newLab(ctx context.Context, o options) (_ *lab, err error) {
	l := &lab{options: o, begun: time.Now(), made: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.dir, err = os.MkdirTemp("", "rowback-bench-"); err != nil {
		return nil, err
	}
	// A checkpoint in one side's turn and not in the other's would be noise.
	// pgbouncer keeps the server connections of those who have gone for a while.
	settings := []string{"max_wal_size=8GB", fmt.Sprintf("max_connections=%d", 300+2*max(slices.Max(o.clients), mostIdle)), "checkpoint_timeout=1h", "autovacuum=off", "shared_buffers=512MB"}
	if l.server, err = pgtest.Start(ctx, pgtest.Options{Settings: settings}); err != nil {
		return nil, err
	}
	if l.block, err = l.startProxy(ctx, "block"); err != nil {
		return nil, err
	}
	if l.alert, err = l.startProxy(ctx, "alert"); err != nil {
		return nil, err
	}
	if l.off, err = l.startProxy(ctx, "off"); err != nil {
		return nil, err
	}
	// In session mode, as clients of rowback have it: a server connection for each.
	l.bouncer, err = l.startPooler(ctx, "session")
	return l, err
}

// startPooler starts a pgbouncer in front of the server.
func (l *lab) startPooler(ctx context.Context, mode string, settings ...string) (*pooler.Pooler, error) {
	settings = append([]string{"max_client_conn = 5000", "default_pool_size = 2500", "server_idle_timeout = 60"}, settings...)
	p, err := pooler.Start(ctx, pooler.Options{Server: l.server.Addr(), Mode: mode, Settings: settings})
	if err == nil {
		l.poolers = append(l.poolers, p)
	}
	return p, err
}

func (l *lab) close() error {
	var errs []error
	for _, p := range l.proxies {
		errs = append(errs, p.stop())
	}
	for _, p := range l.poolers {
		errs = append(errs, p.Stop())
	}
	if l.relay != nil {
		l.relay.stop()
	}
	if l.server != nil {
		errs = append(errs, l.server.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// proxyProcess is a running `rowback proxy`.
type proxyProcess struct {
	addr, journal string
	process       *child.Process
}

// startProxy returns when the proxy accepts connections. A flag among more takes the place of the same before it.
func (l *lab) startProxy(ctx context.Context, mode string, more ...string) (*proxyProcess, error) {
	p := &proxyProcess{journal: filepath.Join(l.dir, fmt.Sprintf("journal-%d", len(l.proxies)))}
	cmd := l.command(context.Background(), append([]string{"proxy", "--listen", "127.0.0.1:0", "--upstream", l.server.Addr(),
		"--journal", p.journal, "--mode", mode, "--threshold", "1000", "--admin", "off"}, more...)...)
	said := newAnnouncement()
	cmd.Stderr = said
	var err error
	if p.process, err = child.Start(cmd, syscall.SIGTERM); err != nil {
		return nil, err
	}
	l.proxies = append(l.proxies, p)
	select {
	case p.addr = <-said.addr:
		return p, nil
	case <-p.process.Done():
		return nil, fmt.Errorf("rowback proxy has ended:\n%s", said.early)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stop ends the proxy: nothing of ours is connected any more, so it has nothing to drain.
func (p *proxyProcess) stop() error {
	_ = p.process.Signal(syscall.SIGTERM) // an error: it has ended already
	return p.process.Wait()
}

// command is the rowback to be measured, without this machine's configuration.
func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.rowback, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "ROWBACK_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "ROWBACK_CONFIG="+os.DevNull)
	return cmd
}

// way leads to the databases: the server itself, or a proxy in front of it.
type way interface{ URL(database string) string }

// URL of a database through the proxy.
func (p *proxyProcess) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", p.addr, database)
}

// times is the processor time that the peer's proxy, and ours, have used.
func (l *lab) times() (peer, ours time.Duration) {
	for _, p := range l.poolers {
		peer += processorTime(p.PID())
	}
	if l.relay != nil {
		peer += processorTime(l.relay.process.PID())
	}
	for _, p := range l.proxies {
		if used := processorTime(p.process.PID()); p == l.off {
			peer += used
		} else {
			ours += used
		}
	}
	return peer, ours
}

// connected runs f with a connection.
func connected(ctx context.Context, url string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(context.WithoutCancel(ctx)))
}

// execute runs SQL, straight to the server.
func (l *lab) execute(ctx context.Context, database string, sql ...string) error {
	return connected(ctx, l.server.URL(database), func(conn *pgx.Conn) error {
		for _, s := range sql {
			if _, err := conn.PgConn().Exec(ctx, s).ReadAll(); err != nil {
				return fmt.Errorf("%w\n%s", err, s)
			}
		}
		return nil
	})
}
