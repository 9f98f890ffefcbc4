package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

const (
	demoDatabase = "shop"
	demoRecovery = "shop_recovery"
)

// lab is what the demo runs on: a directory, two servers, a proxy.
type lab struct {
	dir                  string // dump, journal, the proxy's log
	self                 string // this binary
	production, recovery *pgtest.Cluster
	listen, admin        string // the proxy's addresses, the same each time it runs
	proxy                *child.Process
}

func newLab() (*lab, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &lab{self: self}
	if l.listen, err = freeAddr("127.0.0.1:6432"); err != nil {
		return nil, err
	}
	if l.admin, err = freeAddr("127.0.0.1:9432"); err != nil {
		return nil, err
	}
	l.dir, err = os.MkdirTemp("", "rowback-demo-")
	return l, err
}

// startServers starts both servers at once.
func (l *lab) startServers(ctx context.Context) error {
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { l.production, errs[0] = pgtest.Start(ctx, pgtest.Options{}) })
	wg.Go(func() { l.recovery, errs[1] = pgtest.Start(ctx, pgtest.Options{}) })
	wg.Wait()
	return errors.Join(errs[:]...)
}

// close ends and removes everything. It may be called at any stage.
func (l *lab) close() {
	l.stopProxy()
	for _, c := range []*pgtest.Cluster{l.production, l.recovery} {
		if c != nil {
			_ = c.Stop()
		}
	}
	_ = os.RemoveAll(l.dir)
}

// The databases, as connection strings: the application's through the proxy,
// production straight, and the recovery database.
func (l *lab) proxied() string { return "postgres://postgres@" + l.listen + "/" + demoDatabase }
func (l *lab) straight() string {
	return "postgres://postgres@" + l.production.Addr() + "/" + demoDatabase
}
func (l *lab) backupURL() string {
	return "postgres://postgres@" + l.recovery.Addr() + "/" + demoRecovery
}
func (l *lab) journal() string { return filepath.Join(l.dir, "journal") }

// rowback is this binary, run as a user would; PostgreSQL's programs the same.
func (l *lab) rowback(ctx context.Context, args ...string) *exec.Cmd {
	return l.program(exec.CommandContext(ctx, l.self, args...))
}

func (l *lab) postgres(ctx context.Context, name string, args ...string) *exec.Cmd {
	return l.program(l.production.Command(ctx, name, args...))
}

// program keeps this machine's configuration away from the demo.
func (l *lab) program(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = l.dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "ROWBACK_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "ROWBACK_CONFIG="+os.DevNull)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// proxyArgs is the proxy's command line.
func (l *lab) proxyArgs(mode string, threshold int64) []string {
	return []string{"proxy", "--listen", l.listen, "--upstream", l.straight(), "--journal", l.journal(),
		"--mode", mode, "--threshold", fmt.Sprint(threshold), "--admin", l.admin}
}

func (l *lab) proxyLog() string { return filepath.Join(l.dir, "proxy.log") }

// startProxy returns when the proxy accepts connections. Detached, it outlives
// the demo.
func (l *lab) startProxy(ctx context.Context, detached bool, args []string) error {
	logf, err := os.Create(l.proxyLog())
	if err != nil {
		return err
	}
	defer logf.Close()
	cmd := l.rowback(context.Background(), args...)
	cmd.Stdout, cmd.Stderr = logf, logf
	if detached {
		l.proxy, err = child.StartDetached(cmd)
	} else {
		l.proxy, err = child.Start(cmd, syscall.SIGTERM)
	}
	if err != nil {
		l.proxy = nil
		return err
	}
	_, err = l.proxySays(ctx, "listening on ")
	return err
}

// proxySays waits for the first line of the proxy's log that holds the text.
func (l *lab) proxySays(ctx context.Context, text string) (line string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		said, err := os.ReadFile(l.proxyLog())
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(said)) {
			if strings.Contains(line, text) {
				return line, nil
			}
		}
		select {
		case <-l.proxy.Done():
			return "", fmt.Errorf("rowback proxy has ended:\n%s", said)
		case <-ctx.Done():
			return "", fmt.Errorf("rowback proxy did not say %q (%w):\n%s", text, ctx.Err(), said)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stopProxy drains and ends the proxy; one that does not end is killed.
func (l *lab) stopProxy() {
	if l.proxy == nil {
		return
	}
	_ = l.proxy.Signal(syscall.SIGTERM)
	select {
	case <-l.proxy.Done():
	case <-time.After(15 * time.Second):
		_ = l.proxy.Signal(syscall.SIGKILL)
		<-l.proxy.Done()
	}
	l.proxy = nil
}

// connected runs f with a connection.
func connected(ctx context.Context, url string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(context.WithoutCancel(ctx)))
}

// freeAddr is the wanted address, or one with another port if that is taken.
func freeAddr(wanted string) (string, error) {
	l, err := net.Listen("tcp", wanted)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}
