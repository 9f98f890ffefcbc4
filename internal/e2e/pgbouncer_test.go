package e2e

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
	"testing"

	"github.com/rowback/rowback/internal/child"
)

// startBouncer starts pgbouncer in front of an address and returns its own. In
// transaction mode it has two server connections for all clients.
func startBouncer(t *testing.T, mode, server string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil { // Debian has it where only root's PATH leads
		path = "/usr/sbin/pgbouncer"
	}
	addr, dir := freeAddr(t), t.TempDir()
	host, port, _ := net.SplitHostPort(addr)
	serverHost, serverPort, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	pool := 2
	if mode == "session" {
		pool = 50
	}
	settings := []string{
		"[databases]", fmt.Sprintf("* = host=%s port=%s", serverHost, serverPort),
		"[pgbouncer]", "listen_addr = " + host, "listen_port = " + port, "unix_socket_dir =", "pool_mode = " + mode,
		"auth_type = trust", "auth_file = " + filepath.Join(dir, "users"), fmt.Sprintf("default_pool_size = %d", pool),
		"ignore_startup_parameters = extra_float_digits", "log_connections = 0", "log_disconnections = 0", "log_stats = 0",
	}
	if os.Geteuid() == 0 { // it refuses to run as root
		settings = append(settings, "user = nobody")
	}
	ini := filepath.Join(dir, "pgbouncer.ini")
	err = errors.Join(os.WriteFile(ini, []byte(strings.Join(settings, "\n")+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "users"), []byte("\"postgres\" \"\"\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(exec.CommandContext(context.Background(), path, "-q", ini), syscall.SIGTERM)
	if err != nil {
		t.Fatalf("%v; sh scripts/bootstrap test installs pgbouncer", err)
	}
	t.Cleanup(func() {
		_ = p.Signal(syscall.SIGTERM) // it ends at once, whoever is connected
		_ = p.Wait()
	})
	eventually(t, "pgbouncer listens", func() error {
		select {
		case <-p.Done():
			t.Fatalf("pgbouncer has ended: %v", p.Wait())
		default:
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return addr
}
