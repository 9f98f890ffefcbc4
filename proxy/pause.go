package proxy

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrCanceled: the client asked to cancel while its session paused.
	ErrCanceled = errors.New("canceled by the client")
	// ErrDraining: the proxy is about to end while a session pauses.
	ErrDraining = errors.New("the proxy is shutting down")
)

// Pause implements Wire.
func (w *wire) Pause(ctx context.Context, every time.Duration, done func(context.Context) bool) error {
	if !w.held {
		return errors.New("Pause needs a successful Quiesce before it")
	}
	w.drop()
	w.flush()
	r := w.r
	r.mu.Lock()
	r.pausing = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pausing = false
	}()
	for {
		if w.clientErr == nil && hungUp(r.client) {
			w.clientErr = errClientGone
		}
		switch {
		case w.clientErr != nil:
			return w.clientErr
		case w.serverErr != nil:
			return w.serverErr
		case hungUp(r.server): // its last message says why
			_, _, err := w.Receive(ctx)
			if err == nil {
				err = errServerGone
			}
			return err
		}
		if err := w.sleep(ctx, every); err != nil {
			return err
		}
		if done(ctx) {
			return nil
		}
	}
}

// sleep waits for d, or until the session is interrupted.
func (w *wire) sleep(ctx context.Context, d time.Duration) error {
	r := w.r
	over := false // guarded by r.mu
	timer := time.AfterFunc(d, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		over = true
		r.cond.Broadcast()
	})
	defer timer.Stop()
	defer w.wakeOn(ctx)()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.cause != nil:
			return errors.Join(errEnded, r.cause)
		case ctx.Err() != nil:
			return ctx.Err()
		case r.canceled:
			return ErrCanceled
		case r.draining:
			return ErrDraining
		case over:
			return nil
		}
		r.cond.Wait()
	}
}

// interrupt ends the pause that the session is in, or is about to begin, and
// reports whether it is in one.
func (r *relay) interrupt() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held {
		r.canceled = true
		r.cond.Broadcast()
	}
	return r.pausing
}

// hungUp reports whether the peer has closed its end of the connection,
// whatever it has sent before that nobody has read.
func hungUp(c net.Conn) bool {
	for {
		under, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = under.NetConn()
	}
	gone := false
	look := func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: pollHangup}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n > 0 && p[0].Revents&(pollHangup|unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
	}
	switch c := c.(type) {
	case *sock:
		return c.descriptor(look) != nil || gone
	case syscall.Conn:
		raw, err := c.SyscallConn()
		return err != nil || raw.Control(look) != nil || gone
	}
	return false
}
