package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/rowback/rowback/internal/child"
)

// relay is a running haproxy that passes bytes on, a connection to the server for
// each of its own: what a proxy costs that understands nothing.
type relay struct {
	addr    string
	process *child.Process
}

const relayText = `global
  maxconn 5000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen postgres
  bind %s
  server primary %s
`

// haproxy starts one, once. It has no target: it is there for comparison.
func (l *lab) haproxy(ctx context.Context) error {
	return l.once("haproxy", func() (err error) {
		l.relay, err = l.startRelay(ctx)
		return err
	})
}

// startRelay returns when it accepts connections.
func (l *lab) startRelay(ctx context.Context) (*relay, error) {
	path, err := exec.LookPath("haproxy")
	if err != nil { // Debian has it where only root's PATH leads
		path = "/usr/sbin/haproxy"
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{addr: free.Addr().String()}
	file := filepath.Join(l.dir, "haproxy.cfg")
	if err := errors.Join(free.Close(), os.WriteFile(file, fmt.Appendf(nil, relayText, r.addr, l.server.Addr()), 0o600)); err != nil {
		return nil, err
	}
	if r.process, err = child.Start(exec.CommandContext(context.Background(), path, "-db", "-q", "-f", file), syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("haproxy: %w; Debian and Ubuntu have it in the package of that name", err)
	}
	if err := r.process.Listens(ctx, r.addr); err != nil {
		r.stop()
		return nil, fmt.Errorf("haproxy: %w", err)
	}
	return r, nil
}

// URL of a database through it.
func (r *relay) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", r.addr, database)
}

func (r *relay) stop() {
	_ = r.process.Signal(syscall.SIGTERM) // an error: it has ended already
	_ = r.process.Wait()                  // told to end, it says that it was
}
