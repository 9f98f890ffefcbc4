package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keepAlive finds half-open connections: a peer that is gone without a word is
// noticed after about two minutes.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 4}

// ListenAddr reads Options.Listen: what net.Listen is given.
func ListenAddr(s string) (network, addr string, err error) {
	if !strings.HasPrefix(s, "/") {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return "", "", fmt.Errorf("listen address %q: give host:port, or an absolute directory for a unix socket", s)
		}
		return "tcp", s, nil
	}
	dir, port := splitSocketDir(s, defaultPort)
	return "unix", socketPath(dir, port), nil
}

// splitSocketDir splits "/dir:port" or "/dir".
func splitSocketDir(s, port string) (string, string) {
	if i := strings.LastIndexByte(s, ':'); i > 0 && i < len(s)-1 && strings.Trim(s[i+1:], "0123456789") == "" {
		return s[:i], s[i+1:]
	}
	return s, port
}

func socketPath(dir, port string) string { return filepath.Join(dir, ".s.PGSQL."+port) }

// Listen opens the listening socket; Addr is known from then on.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errors.New("the proxy has been stopped")
	}
	if s.listener != nil {
		return nil
	}
	if s.o.Listener != nil {
		s.listener = s.o.Listener
		return nil
	}
	network, addr, err := ListenAddr(s.o.Listen)
	if err != nil {
		return err
	}
	if network == "unix" {
		if err := removeStale(ctx, addr); err != nil {
			return err
		}
	}
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	if s.listener, err = lc.Listen(ctx, network, addr); err != nil {
		hint := ""
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			hint = "; another program listens there, perhaps a proxy that still runs (ss -ltnp names it): end that one, or give another address with listen"
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			hint = "; this machine has no such address"
		case errors.Is(err, syscall.EACCES):
			hint = "; this user may not: give another port or directory with listen"
		case network == "unix" && errors.Is(err, fs.ErrNotExist):
			hint = "; make the directory, or give another one with listen"
		}
		return fmt.Errorf("cannot listen on %s: %w%s", s.o.Listen, err, hint)
	}
	if network == "unix" { // as PostgreSQL's own socket: whoever may enter the directory may connect
		if err := os.Chmod(addr, 0o777); err != nil {
			return errors.Join(err, s.listener.Close())
		}
	}
	return nil
}

// ListenerFile is the listening socket, for a process that is to serve it next.
// The caller closes it.
func (s *Server) ListenerFile() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return FileOf(s.listener)
}

// FileOf is a listener's socket as a file. Unlike its own File it can be given to
// another process without harm: that one's Fd makes the socket wait, for all who
// share it, and then an Accept under way cannot be ended.
func FileOf(l net.Listener) (*os.File, error) {
	c, ok := l.(syscall.Conn)
	if !ok {
		return nil, errors.New("there is no listening socket to be handed over")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	dup := func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }
	if controlErr := raw.Control(dup); controlErr != nil || err != nil {
		return nil, errors.Join(controlErr, err)
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

// Retire stops accepting, for another process that serves the same socket. All
// sessions go on, and what has been accepted becomes one; Serve returns when the
// last has ended. Drain ends them sooner.
func (s *Server) Retire() error {
	s.mu.Lock()
	if u, ok := s.listener.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path is the other one's now
	}
	s.mu.Unlock()
	return s.closeListener()
}

// removeStale removes a socket that nobody listens on, left by a proxy that was killed.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way and is no socket: remove it, or choose another port", path)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("something listens on %s already: choose another port", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// Addr is where clients connect; nil before Listen.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

func (s *Server) closeListener() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func clientAddr(c net.Conn) string {
	if c.RemoteAddr().Network() == "unix" {
		return "local"
	}
	return c.RemoteAddr().String()
}
