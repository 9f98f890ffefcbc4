package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sock is a connection of a session that a loop watches. It can be read
// and written without waiting (tryRead, tryWrite), and as any net.Conn.
//
// The loop is told of edges only: readable stays false from a read that left
// nothing until the kernel reports more, so that no read is made in vain.
type sock struct {
	fd      int
	session *relay
	loop    *loop

	mu       sync.Mutex
	changed  *sync.Cond // on mu; nil: nobody has waited yet
	readable bool       // there may be something to read, or an end
	arrived  bool       // under TLS: there may be something on the descriptor
	ended    bool       // the peer has shut its side down: readable for good
	writable bool       // the kernel has said so since the last write that did not fit
	armed    bool       // the loop watches for writable, too
	closed   bool
	late     [2]bool // the deadline for reads, for writes has passed
	timers   [2]*time.Timer

	tls *sealed // nil: plain
}

// adopt makes a sock of a connection that Go's own poller watches; see take.
func adopt(c net.Conn, l *loop) (*sock, error) {
	t, _, c := unwrap(c)
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &sock{loop: l, readable: true, arrived: true}
	if t != nil {
		s.tls = &sealed{Conn: t}
	}
	dup := func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }
	if controlErr := raw.Control(dup); controlErr != nil || err != nil {
		return nil, errors.Join(controlErr, err)
	}
	return s, nil
}

// tryRead reads what is there; errAgain if that is nothing.
func (s *sock) tryRead(b []byte) (int, error) {
	if s.tls == nil {
		return s.rawRead(b, &s.readable)
	}
	s.mu.Lock()
	s.readable = s.ended
	s.mu.Unlock()
	n, err := s.tls.Read(b)
	if n > 0 { // more may have been deciphered, or only read
		s.mu.Lock()
		s.readable = true
		s.mu.Unlock()
	}
	return n, err
}

// rawRead reads once, and notes in flag whether there may be more.
func (s *sock) rawRead(b []byte, flag *bool) (int, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, net.ErrClosed
	}
	*flag = s.ended
	s.mu.Unlock()
	for {
		n, err := rawRead(s.fd, b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			s.mu.Lock()
			s.ended = false
			s.mu.Unlock()
			return 0, errAgain
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		case n == len(b):
			s.mu.Lock()
			*flag = true
			s.mu.Unlock()
		}
		return n, nil
	}
}

// tryWrite writes what fits. Under TLS that is all, and what does not fit is owed.
func (s *sock) tryWrite(b []byte) (int, error) {
	if s.tls == nil {
		return s.tryWriteRaw(b)
	}
	if s.owes() {
		return 0, nil
	}
	return s.tls.Write(b)
}

func (s *sock) tryWriteRaw(b []byte) (int, error) {
	for {
		n, err := rawWrite(s.fd, b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, nil
		case err != nil:
			return 0, os.NewSyscallError("write", err)
		}
		return n, nil
	}
}

// CloseWrite tells the peer that nothing more will come.
func (s *sock) CloseWrite() error {
	return os.NewSyscallError("shutdown", unix.Shutdown(s.fd, unix.SHUT_WR))
}

func (s *sock) mayRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readable
}

// event takes note of what the kernel has reported.
func (s *sock) event(events uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.readable, s.arrived = true, true
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.ended = true
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.writable = true
	}
	s.wake()
}

// Read waits for something to read.
func (s *sock) Read(b []byte) (int, error) {
	for {
		if err := s.wait(0, &s.readable); err != nil {
			return 0, err
		}
		if n, err := s.tryRead(b); err != errAgain {
			return n, err
		}
	}
}

// Write waits until all is written.
func (s *sock) Write(b []byte) (int, error) {
	if s.tls != nil {
		return s.writeTLS(b)
	}
	return s.writeRaw(b)
}

func (s *sock) writeRaw(b []byte) (done int, err error) {
	for {
		s.mu.Lock()
		s.writable = false
		closed, late := s.closed, s.late[1]
		s.mu.Unlock()
		if closed || late {
			return done, s.wait(1, &s.writable)
		}
		n, err := s.tryWriteRaw(b[done:])
		if done += n; err != nil || done == len(b) {
			return done, err
		}
		if err := s.arm(); err != nil {
			return done, err
		}
		if err := s.wait(1, &s.writable); err != nil {
			return done, err
		}
	}
}

// wait waits for a flag; which says whose deadline counts.
func (s *sock) wait(which int, flag *bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return net.ErrClosed
		case s.late[which]:
			return os.ErrDeadlineExceeded
		case *flag:
			return nil
		}
		if s.changed == nil {
			s.changed = sync.NewCond(&s.mu)
		}
		s.changed.Wait()
	}
}

// wake has whoever waits look again. mu is held.
func (s *sock) wake() {
	if s.changed != nil {
		s.changed.Broadcast()
	}
}

// arm has the loop watch for room to write. A unix socket would report that with
// every read of the peer, so it is not watched for before it is wanted.
func (s *sock) arm() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed {
		return nil
	}
	s.armed = true
	return s.loop.change(s, unix.EPOLLOUT)
}

// disarm takes arm back.
func (s *sock) disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed && !s.closed {
		s.armed = s.loop.change(s, 0) != nil
	}
}

// Close ends the connection; whoever waits on it returns. See release.
func (s *sock) Close() error {
	if s.tls == nil {
		return s.shut()
	}
	if s.tls.quit.Swap(true) {
		return net.ErrClosed
	}
	return s.tls.Close()
}

func (s *sock) shut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	s.wake()
	for _, t := range s.timers {
		if t != nil {
			t.Stop()
		}
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(s.fd, unix.SHUT_RDWR))
}

// discard undoes adopt; the connection itself stays open.
func (s *sock) discard() { _ = unix.Close(s.fd) }

// release gives the descriptor back, once nobody uses it any more.
func (s *sock) release() {
	_ = s.Close() // it may be closed, or have lost its peer
	s.loop.forget(s)
	_ = unix.Close(s.fd)
}

func (s *sock) LocalAddr() net.Addr  { return address(unix.Getsockname(s.fd)) }
func (s *sock) RemoteAddr() net.Addr { return address(unix.Getpeername(s.fd)) }

// address is asked for when it is wanted: to keep four of them for a session takes
// more room than its messages.
func address(a unix.Sockaddr, _ error) net.Addr {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Net: "unix", Name: a.Name}
	}
	return &net.TCPAddr{} // it has gone
}

func (s *sock) SetDeadline(t time.Time) error {
	return errors.Join(s.setDeadline(0, t), s.setDeadline(1, t))
}
func (s *sock) SetReadDeadline(t time.Time) error  { return s.setDeadline(0, t) }
func (s *sock) SetWriteDeadline(t time.Time) error { return s.setDeadline(1, t) }

func (s *sock) setDeadline(which int, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if old := s.timers[which]; old != nil {
		old.Stop()
		s.timers[which] = nil
	}
	left := time.Until(t)
	s.late[which] = !t.IsZero() && left <= 0
	switch {
	case s.late[which]:
		s.wake()
	case !t.IsZero():
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.timers[which] == timer { // not replaced meanwhile
				s.late[which] = true
				s.wake()
			}
		})
		s.timers[which] = timer
	}
	return nil
}

// descriptor is for looking at the connection from beside.
func (s *sock) descriptor(look func(fd uintptr)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	look(uintptr(s.fd))
	return nil
}
