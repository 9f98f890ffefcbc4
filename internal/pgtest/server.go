package pgtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rowback/rowback/internal/child"
)

// errPortTaken: another process listens on the cluster's port.
var errPortTaken = errors.New("the port is taken")

func (c *Cluster) run(ctx context.Context, detached bool) error {
	logf, err := os.OpenFile(c.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logf.Close()
	before, err := logf.Seek(0, 2)
	if err != nil {
		return err
	}
	cmd := c.command(context.Background(), "postgres", "-D", c.data(), "-c", "port="+strconv.Itoa(c.Port))
	cmd.Stdout, cmd.Stderr = logf, logf
	cmd.ExtraFiles = []*os.File{c.lock} // a detached server keeps the directory in use
	var s *child.Process
	if detached {
		s, err = child.StartDetached(cmd)
	} else {
		s, err = child.Start(cmd, syscall.SIGQUIT)
	}
	if err != nil {
		return err
	}
	c.server = s
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !c.ready() {
		select {
		case <-s.Done():
			said, err := tail(c.Log(), before)
			if err == nil && strings.Contains(said, "Address already in use") {
				return errPortTaken
			}
			return errors.Join(fmt.Errorf("postgres did not start:\n%s", said), err)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not accept connections: %w (see %s)", ctx.Err(), c.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// ready reports whether the server of this run accepts connections, by the
// word of its pid file. Connecting would prove less: another server may answer
// on the port, and pg_hba.conf may refuse us.
func (c *Cluster) ready() bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(c.server.PID()) && strings.TrimSpace(lines[7]) == "ready"
}

func tail(name string, from int64) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	return string(text[min(from, int64(len(text))):]), nil
}

// FreePort finds a port on loopback that nobody listens on, outside the range
// from which the system gives ports to outgoing connections: those could take
// it while the server is down.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
