package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
)

// sealed is what a sock under TLS has besides: its carrier is that sock.
type sealed struct {
	*tls.Conn
	debt []byte      // what is sealed and the kernel had no room for: it goes first; guarded by sock.mu
	quit atomic.Bool // Close has begun: it does not wait
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

// writeTLS is Write. Its waiting is outside of tls: that also writes where it reads (an
// answer to KeyUpdate, an alert), which must wait neither for the peer nor for a Write that does.
func (s *sock) writeTLS(b []byte) (done int, err error) {
	for done < len(b) && err == nil {
		if err = s.settleDebt(); err == nil {
			var n int
			n, err = s.tls.Write(b[done:min(len(b), done+bufferSize)])
			done += n
		}
	}
	if err != nil {
		return done, err
	}
	return done, s.settleDebt()
}

// maxDebt is more than one write of a direction makes: a peer that does not read makes us
// write what it likes.
const maxDebt = 4 * bufferSize

// writeSealed is how tls writes: what does not fit is owed.
func (s *sock) writeSealed(b []byte) (int, error) {
	if s.tls.quit.Load() { // its farewell: as far as there is room
		if !s.owes() {
			_, _ = s.tryWriteRaw(b)
		}
		return len(b), nil
	}
	n := 0
	if !s.owes() {
		var err error
		if n, err = s.tryWriteRaw(b); err != nil {
			return n, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tls.debt)+len(b)-n > maxDebt {
		return n, errors.New("the peer asks for answers and reads none")
	}
	s.tls.debt = append(s.tls.debt, b[n:]...)
	return len(b), nil
}

// owes reports whether writeSealed has left something to settleDebt.
func (s *sock) owes() bool {
	if s.tls == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tls.debt) > 0
}

// settleDebt waits until what is owed is written. Only who writes to the peer calls it.
func (s *sock) settleDebt() error {
	if s.tls == nil {
		return nil
	}
	for {
		s.mu.Lock()
		debt := s.tls.debt
		if len(debt) == 0 {
			s.tls.debt = nil
		}
		s.mu.Unlock()
		if len(debt) == 0 {
			return nil
		}
		n, err := s.writeRaw(debt)
		s.mu.Lock()
		s.tls.debt = s.tls.debt[n:] // to which something may have been added
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}
