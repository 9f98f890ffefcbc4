package pgtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// server is one run of a cluster's postmaster.
type server struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// errPortTaken: another process listens on the cluster's port.
var errPortTaken = errors.New("the port is taken")

func (s *server) pid() int { return s.cmd.Process.Pid }

// start starts the server. It stays in one goroutine on one thread for the
// server's whole life: the kernel sends the parent-death signal when the
// *thread* that started a process ends, and Go ends threads as it likes.
func start(cmd *exec.Cmd) (*server, error) {
	s := &server{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(s.done)
		}
	}()
	return s, <-started
}

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
	if detached {
		cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
	} else {
		dieWithParent(cmd.SysProcAttr)
	}
	s, err := start(cmd)
	if err != nil {
		return err
	}
	c.server = s
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !c.ready() {
		select {
		case <-s.done:
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
	return len(lines) > 7 && lines[0] == strconv.Itoa(c.server.pid()) && strings.TrimSpace(lines[7]) == "ready"
}

func tail(name string, from int64) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	return string(text[min(from, int64(len(text))):]), nil
}

// freePort finds a port on loopback that nobody listens on, outside the range
// from which the system gives ports to outgoing connections: those could take
// it while the server is down.
func freePort() (int, error) {
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
