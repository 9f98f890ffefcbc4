package proxy

import (
	"crypto/tls"
	"errors"
)

// legs are what a session is made of on both sides, as long as nothing is reloaded.
type legs struct {
	tls   *tls.Config // of the clients' side; nil: none
	hosts []host
}

// Reload reads the files that Options.Upstream names again. With apply what they
// hold is in force for clients to come, and t in place of Options.TLS, nil for none.
// Sessions keep what they have.
func (s *Server) Reload(t *tls.Config) (apply func(), err error) {
	if s.o.RequireTLS && t == nil {
		return nil, errors.New("TLS is required of clients, but there is no certificate for it: give one")
	}
	hosts, err := parseUpstream(s.o.Upstream, s.o.ConnectTimeout)
	if err != nil {
		return nil, err
	}
	if t != nil {
		t = t.Clone()
		t.NextProtos = []string{alpn}
		// As PostgreSQL: a client that a CA has been taken from must not get in by an old ticket.
		t.SessionTicketsDisabled = true
	}
	return func() { s.legs.Store(&legs{t, hosts}) }, nil
}
