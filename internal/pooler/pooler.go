// Package pooler runs pgbouncer, a real one, for tests and benchmarks: in front
// of rowback, behind it, or as its peer.
package pooler

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rowback/rowback/internal/child"
)

// Options of a pooler. Server has no default.
type Options struct {
	Server   string   // host:port
	Mode     string   // pool_mode; default session
	Settings []string // further lines of the [pgbouncer] section, such as "max_client_conn = 100"
}

// Pooler is a running pgbouncer. It trusts everyone.
type Pooler struct {
	Addr    string
	process *child.Process
	dir     string
}

// Start returns when it accepts connections.
func Start(ctx context.Context, o Options) (_ *Pooler, err error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil { // Debian has it where only root's PATH leads
		path = "/usr/sbin/pgbouncer"
	}
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil {
		return nil, err
	}
	if o.Mode == "" {
		o.Mode = "session"
	}
	p := &Pooler{}
	if p.dir, err = os.MkdirTemp("", "rowback-pooler-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(p.dir))
		}
	}()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at := free.Addr().(*net.TCPAddr)
	if p.Addr, err = at.String(), free.Close(); err != nil {
		return nil, err
	}
	settings := append([]string{
		"[databases]", fmt.Sprintf("* = host=%s port=%s", host, port),
		"[pgbouncer]", "listen_addr = " + at.IP.String(), fmt.Sprintf("listen_port = %d", at.Port), "unix_socket_dir =",
		"pool_mode = " + o.Mode, "auth_type = trust", "auth_file = " + filepath.Join(p.dir, "users"),
		"ignore_startup_parameters = extra_float_digits", "log_connections = 0", "log_disconnections = 0", "log_stats = 0",
	}, o.Settings...)
	if os.Geteuid() == 0 { // it refuses to run as root
		settings = append(settings, "user = nobody")
	}
	ini := filepath.Join(p.dir, "pgbouncer.ini")
	err = errors.Join(os.WriteFile(ini, []byte(strings.Join(settings, "\n")+"\n"), 0o600),
		os.WriteFile(filepath.Join(p.dir, "users"), []byte("\"postgres\" \"\"\n"), 0o600))
	if err != nil {
		return nil, err
	}
	if p.process, err = child.Start(exec.CommandContext(context.Background(), path, "-q", ini), syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("pgbouncer: %w; Debian and Ubuntu have it in the package of that name", err)
	}
	if err := p.process.Listens(ctx, p.Addr); err != nil {
		p.end()
		return nil, fmt.Errorf("pgbouncer: %w", err)
	}
	return p, nil
}

// PID of its process.
func (p *Pooler) PID() int { return p.process.PID() }

// URL of a database through it.
func (p *Pooler) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", p.Addr, database)
}

// Stop ends it at once.
func (p *Pooler) Stop() error {
	p.end()
	return os.RemoveAll(p.dir)
}

func (p *Pooler) end() {
	_ = p.process.Signal(syscall.SIGTERM) // an error: it has ended already
	_ = p.process.Wait()                  // told to end at once, it says that it failed
}
