package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rowback/rowback/internal/child"
)

// Options of a cluster; the zero value is a durable default cluster.
type Options struct {
	Dir      string   // parent of the cluster's directory; default os.TempDir(), or /tmp where PostgreSQL cannot live in that
	BinDir   string   // PostgreSQL's binaries; default: found (see FindBinaries)
	Settings []string // further "name=value" settings
	HBA      string   // pg_hba.conf; default trusts everyone on loopback and the socket
	Unsafe   bool     // fsync off and in memory: for bulk tests that make no claim about durability
	Memory   bool     // in memory, where there is room, with its settings as they are
}

// Cluster is a PostgreSQL cluster. Superuser is "postgres".
type Cluster struct {
	Dir    string // temporary directory: data/, log, the unix socket
	BinDir string
	Port   int

	version int
	memory  bool                // without durability anyway: files are in memory if possible
	cred    *syscall.Credential // nil: the current user
	lock    *os.File            // held until Stop: tells others that Dir is in use
	server  *child.Process      // nil before the first Run
}

// Start makes a cluster and waits until it accepts connections. The caller
// must call Stop.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{BinDir: o.BinDir, memory: o.Unsafe || o.Memory}
	err := c.create(ctx, o)
	if err == nil {
		err = c.firstRun(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) create(ctx context.Context, o Options) (err error) {
	if c.BinDir == "" {
		if c.BinDir, err = FindBinaries(); err != nil {
			return err
		}
	}
	c.version = major(filepath.Join(c.BinDir, "postgres"))
	if c.cred, err = Unprivileged(); err != nil {
		return err
	}
	if err := c.makeDir(o.Dir); err != nil {
		return err
	}
	initdb := c.command(ctx, "initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return c.configure(o)
}

func (c *Cluster) configure(o Options) error {
	conf := []string{
		"listen_addresses='127.0.0.1'", "unix_socket_directories='" + strings.ReplaceAll(c.Dir, "'", "''") + "'",
		"max_connections=200", "log_min_messages=warning", "shared_buffers=64MB", "max_prepared_transactions=20",
	}
	if o.Unsafe {
		conf = append(conf, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	if c.memory {
		conf = append(conf, "min_wal_size=32MB", "max_wal_size=128MB")
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

// firstRun runs the server on a port nobody uses. Between finding a port and
// taking it another process may have been faster: then the next one.
func (c *Cluster) firstRun(ctx context.Context) error {
	for try := 1; ; try++ {
		port, err := FreePort()
		if err != nil {
			return err
		}
		c.Port = port
		if err := c.Run(ctx); !errors.Is(err, errPortTaken) || try == 10 {
			return err
		}
	}
}

// Run starts the server of a cluster that is not running, on the port it had,
// and waits until it accepts connections.
func (c *Cluster) Run(ctx context.Context) error { return c.run(ctx, false) }

// Detach restarts the server so that it outlives this process, and returns the
// postmaster's pid. Stop still ends it.
func (c *Cluster) Detach(ctx context.Context) (pid int, err error) {
	if err := c.Signal(syscall.SIGINT); err != nil {
		return 0, err
	}
	c.Wait()
	if err := c.run(ctx, true); err != nil {
		return 0, err
	}
	return c.server.PID(), nil
}

// Signal sends a signal to the postmaster (SIGQUIT: immediate shutdown, like a crash).
func (c *Cluster) Signal(s os.Signal) error { return c.server.Signal(s) }

// PID of the postmaster.
func (c *Cluster) PID() int { return c.server.PID() }

// Wait returns when the postmaster has ended.
func (c *Cluster) Wait() { <-c.server.Done() }

// Stop ends the server and removes the cluster's directory.
func (c *Cluster) Stop() error {
	if c.server != nil {
		_ = c.Signal(syscall.SIGQUIT) // an error: it has ended already
		c.Wait()
	}
	if c.lock == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(c.Dir), c.lock.Close())
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

// command is one of PostgreSQL's server programs: run as the cluster's user,
// untouched by the caller's PG* variables and locale.
func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := c.Command(ctx, name, args...)
	cmd.Dir = c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") && !strings.HasPrefix(kv, "LANG") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C", "TZ=UTC")
	return cmd
}
