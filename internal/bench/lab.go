package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	dir          string
	server       *pgtest.Cluster
	block, alert *proxyProcess
	off          *proxyProcess // judges nothing
	bouncer      *pooler.Pooler
	made         map[string]bool // data sets, by name
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
	l := &lab{options: o, made: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.dir, err = os.MkdirTemp("", "rowback-bench-"); err != nil {
		return nil, err
	}
	// A checkpoint in one side's turn and not in the other's would be noise.
	settings := []string{"max_wal_size=8GB", "max_connections=300", "checkpoint_timeout=1h", "autovacuum=off", "shared_buffers=512MB"}
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
	l.bouncer, err = pooler.Start(ctx, pooler.Options{Server: l.server.Addr(), Settings: []string{"max_client_conn = 2000", "default_pool_size = 2000"}})
	return l, err
}

func (l *lab) close() error {
	var errs []error
	for _, p := range []*proxyProcess{l.block, l.alert, l.off} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if l.bouncer != nil {
		errs = append(errs, l.bouncer.Stop())
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

// startProxy returns when the proxy accepts connections.
func (l *lab) startProxy(ctx context.Context, mode string) (*proxyProcess, error) {
	p := &proxyProcess{journal: filepath.Join(l.dir, mode)}
	cmd := l.command(context.Background(), "proxy", "--listen", "127.0.0.1:0", "--upstream", l.server.Addr(),
		"--journal", p.journal, "--mode", mode, "--threshold", "1000", "--admin", "off")
	said := newAnnouncement()
	cmd.Stderr = said
	var err error
	if p.process, err = child.Start(cmd, syscall.SIGTERM); err != nil {
		return nil, err
	}
	select {
	case p.addr = <-said.addr:
		return p, nil
	case <-p.process.Done():
		return nil, fmt.Errorf("rowback proxy has ended:\n%s", said.early)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.stop())
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
	return processorTime(l.bouncer.PID()) + processorTime(l.off.process.PID()), processorTime(l.block.process.PID()) + processorTime(l.alert.process.PID())
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
