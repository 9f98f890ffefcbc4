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
	"syscall"
	"time"

	"github.com/rowback/rowback/internal/child"
)

// startBouncer starts pgbouncer in front of the server, in session mode, as
// clients of rowback have it: a server connection for each.
func (l *lab) startBouncer(ctx context.Context) (*proxyProcess, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil { // Debian has it where only root's PATH leads
		path = "/usr/sbin/pgbouncer"
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxyProcess{addr: free.Addr().String()}
	host, port, err := net.SplitHostPort(p.addr)
	if err = errors.Join(err, free.Close()); err != nil {
		return nil, err
	}
	serverHost, serverPort, err := net.SplitHostPort(l.server.Addr())
	if err != nil {
		return nil, err
	}
	settings := []string{
		"[databases]", fmt.Sprintf("* = host=%s port=%s", serverHost, serverPort),
		"[pgbouncer]", "listen_addr = " + host, "listen_port = " + port, "unix_socket_dir =",
		"pool_mode = session", "auth_type = trust", "auth_file = " + filepath.Join(l.dir, "users"),
		"max_client_conn = 2000", "default_pool_size = 2000", "ignore_startup_parameters = extra_float_digits",
		"log_connections = 0", "log_disconnections = 0", "log_stats = 0",
	}
	if os.Geteuid() == 0 { // it refuses to run as root
		settings = append(settings, "user = nobody")
	}
	ini := filepath.Join(l.dir, "pgbouncer.ini")
	err = errors.Join(os.WriteFile(ini, []byte(strings.Join(settings, "\n")+"\n"), 0o600),
		os.WriteFile(filepath.Join(l.dir, "users"), []byte("\"postgres\" \"\"\n"), 0o600))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), path, "-q", ini)
	if p.process, err = child.Start(cmd, syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("pgbouncer, the peer: %w; \"make bench\" installs it on Debian and Ubuntu", err)
	}
	for { // it says nothing when it is ready
		c, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			return p, c.Close()
		}
		select {
		case <-p.process.Done():
			return nil, fmt.Errorf("pgbouncer has ended: %w", p.process.Wait())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), p.stop())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
