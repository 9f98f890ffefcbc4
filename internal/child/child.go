// Package child runs processes that do not outlive the one that started them.
//
// On Linux that holds even if the parent is killed. Elsewhere a killed parent
// leaves its children running.
package child

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a started process.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read after done
}

// Start starts cmd in a process group of its own, so that a Ctrl-C on the
// terminal reaches the parent alone, which ends its children in order. When the
// parent ends first, the child gets the signal last.
func Start(cmd *exec.Cmd, last syscall.Signal) (*Process, error) {
	attr := attributes(cmd)
	attr.Setpgid = true
	dieWithParent(attr, last)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the *thread* that started
		// the child ends, and Go ends threads as it likes: this one is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.run(started)
	}()
	return p, <-started
}

// StartDetached starts cmd in a session of its own; it outlives its parent.
func StartDetached(cmd *exec.Cmd) (*Process, error) {
	attributes(cmd).Setsid = true
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	return p, <-started
}

func (p *Process) run(started chan<- error) {
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
	close(p.done)
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the process's end and returns exec.Cmd.Wait's error.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Listens waits until p accepts connections at an address, which not every program says.
func (p *Process) Listens(ctx context.Context, addr string) error {
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.Done():
			return fmt.Errorf("it has ended: %w", p.Wait())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd.SysProcAttr
}
