package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a cluster; the zero value is a durable default cluster.
type Options struct {
	Dir      string   // parent of the cluster's directory; default os.TempDir()
	BinDir   string   // PostgreSQL's binaries; default: found (see FindBinaries)
	Settings []string // further "name=value" settings
	HBA      string   // pg_hba.conf; default trusts everyone on loopback and the socket
	Unsafe   bool     // fsync off: for bulk tests that make no claim about durability
}

// Cluster is a running PostgreSQL cluster. Superuser is "postgres".
type Cluster struct {
	Dir    string // temporary directory: data/, log, the unix socket
	BinDir string
	Port   int
	cmd    *exec.Cmd
	done   chan struct{}
	cred   *syscall.Credential
}

// Start makes a cluster and waits until it accepts connections. The caller
// must call Stop.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	bin := o.BinDir
	if bin == "" {
		var err error
		if bin, err = FindBinaries(); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "rowback-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, BinDir: bin}
	if c.cred, err = unprivileged(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.init(ctx, o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.Run(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) init(ctx context.Context, o Options) error {
	if c.cred != nil {
		if err := os.Chown(c.Dir, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
			return err
		}
	}
	initdb := c.command(ctx, "initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	c.Port = port
	conf := []string{
		"listen_addresses='127.0.0.1'", "port=" + strconv.Itoa(port),
		"unix_socket_directories='" + c.Dir + "'",
		"max_connections=200", "log_min_messages=warning", "shared_buffers=64MB", "max_prepared_transactions=20",
	}
	if o.Unsafe {
		conf = append(conf, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + strings.Join(append(conf, o.Settings...), "\n") + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if o.HBA != "" {
		return os.WriteFile(filepath.Join(c.data(), "pg_hba.conf"), []byte(o.HBA), 0o600)
	}
	return nil
}

// Run starts the server of a cluster that is not running and waits until it
// accepts connections.
func (c *Cluster) Run(ctx context.Context) error {
	logf, err := os.OpenFile(c.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logf.Close()
	cmd := c.command(context.Background(), "postgres", "-D", c.data())
	cmd.Stdout, cmd.Stderr = logf, logf
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	if err := cmd.Start(); err != nil {
		return err
	}
	c.cmd, c.done = cmd, make(chan struct{})
	go func() { cmd.Wait(); close(c.done) }()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.done:
			out, _ := os.ReadFile(c.Log())
			return fmt.Errorf("postgres did not start:\n%s", out)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not accept connections: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Signal sends a signal to the postmaster (SIGQUIT: immediate shutdown, like a crash).
func (c *Cluster) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Wait returns when the postmaster has ended.
func (c *Cluster) Wait() { <-c.done }

// Stop ends the server and removes the cluster's directory.
func (c *Cluster) Stop() error {
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(syscall.SIGQUIT)
		<-c.done
	}
	return os.RemoveAll(c.Dir)
}

// URL is the superuser's connection string to a database, over TCP.
func (c *Cluster) URL(database string) string { return c.UserURL("postgres", "", database) }

// UserURL is a user's connection string to a database, over TCP.
func (c *Cluster) UserURL(user, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(user), Host: c.Addr(), Path: "/" + database, RawQuery: "sslmode=disable"}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// Addr is host:port.
func (c *Cluster) Addr() string { return "127.0.0.1:" + strconv.Itoa(c.Port) }

// Log is the path of the server's log.
func (c *Cluster) Log() string { return filepath.Join(c.Dir, "log") }

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

// Command is one of PostgreSQL's programs, run as the current user.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(c.BinDir, name), args...)
}

func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := c.Command(ctx, name, args...)
	cmd.Dir = c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	return cmd
}

// ErrNoPostgreSQL: the server's binaries are not on this machine.
var ErrNoPostgreSQL = errors.New("PostgreSQL's server binaries were not found: install them (Debian, Ubuntu: apt-get install postgresql), or set PGBIN to the directory that holds initdb and postgres")

// FindBinaries returns the directory of PostgreSQL's server binaries: $PGBIN,
// else where initdb's own postgres is, else the newest of the usual places.
func FindBinaries() (string, error) {
	dirs := []string{os.Getenv("PGBIN")}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for i := len(debian) - 1; i >= 0; i-- {
		dirs = append(dirs, debian[i])
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, string(bytes.TrimSpace(out)))
	}
	for _, d := range append(dirs, filepath.SplitList(os.Getenv("PATH"))...) {
		if d == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(d, "initdb")); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(d, "postgres")); err == nil {
			return d, nil
		}
	}
	return "", ErrNoPostgreSQL
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
