package proxy

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// sealed is what a sock under TLS has besides: its carrier is that sock.
type sealed struct {
	*tls.Conn
	trying bool        // of whoever writes: nothing may wait
	debt   []byte      // what is sealed and the kernel had no room for: it goes first; guarded by sock.mu
	quit   atomic.Bool // Close has begun: it does not wait
}

// take puts what c was adopted from on the sock, and returns what is to be closed instead of c.
func (s *sock) take(c net.Conn) net.Conn {
	_, on, below := unwrap(c)
	if on != nil {
		on.sock.Store(s)
	}
	return below
}

// tryReadRaw is tryRead of what is to be deciphered.
func (s *sock) tryReadRaw(b []byte) (int, error) {
	s.mu.Lock()
	arrived := s.arrived
	s.mu.Unlock()
	if !arrived {
		return 0, errAgain
	}
	return s.rawRead(b, &s.arrived)
}

// writeSealed is how tls writes.
func (s *sock) writeSealed(b []byte) (int, error) {
	switch {
	case s.tls.quit.Load(): // its farewell: as far as there is room
		if !s.owes() {
			_, _ = s.tryWriteRaw(b)
		}
		return len(b), nil
	case s.tls.trying:
		n := 0
		if !s.owes() {
			var err error
			if n, err = s.tryWriteRaw(b); err != nil {
				return n, err
			}
		}
		s.mu.Lock()
		s.tls.debt = append(s.tls.debt, b[n:]...)
		s.mu.Unlock()
		return len(b), nil
	}
	if err := s.settleDebt(); err != nil {
		return 0, err
	}
	return s.writeRaw(b)
}

// owes reports whether tryWrite has left something to settleDebt.
func (s *sock) owes() bool {
	if s.tls == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tls.debt) > 0
}

// settleDebt waits until what tryWrite has left is written.
func (s *sock) settleDebt() error {
	if s.tls == nil {
		return nil
	}
	s.mu.Lock()
	debt := s.tls.debt
	s.mu.Unlock()
	if len(debt) == 0 {
		return nil
	}
	_, err := s.writeRaw(debt)
	if err == nil {
		s.mu.Lock()
		s.tls.debt = nil
		s.mu.Unlock()
	}
	return err
}
