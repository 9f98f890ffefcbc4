package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

const (
	alpn               = "postgresql"
	tlsRecordHandshake = 0x16
)

// LoadTLS makes Options.TLS from PEM files. With clientCA, every client must
// show a certificate that it signed; else clients need none.
func LoadTLS(cert, key, clientCA string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cannot load the TLS certificate %s with key %s: %w", cert, key, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CA of client certificates: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", clientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}

// answerSSL answers SSLRequest and, if it may, puts the connection under TLS.
func answerSSL(g *greeting) error {
	if g.legs.tls == nil || g.conn.RemoteAddr().Network() == "unix" { // as PostgreSQL: no TLS over unix sockets
		_, err := g.conn.Write([]byte{'N'})
		return err
	}
	if _, err := g.conn.Write([]byte{'S'}); err != nil {
		return errors.Join(errClientGone, err)
	}
	return handshake(g)
}

// directTLS puts a connection under TLS that began with a TLS record
// (sslnegotiation=direct). ALPN is required then, so that no other protocol's client can
// be made to talk to us.
func directTLS(g *greeting) error {
	if g.legs.tls == nil || g.conn.RemoteAddr().Network() == "unix" {
		return errors.New("direct TLS, but no certificate is configured")
	}
	if err := handshake(g); err != nil {
		return err
	}
	if g.conn.(*tls.Conn).ConnectionState().NegotiatedProtocol != alpn {
		return errors.New("direct TLS without the ALPN protocol " + alpn)
	}
	return nil
}

func handshake(g *greeting) error {
	t := tls.Server(&carrier{Conn: g.conn}, g.legs.tls)
	if err := t.Handshake(); err != nil { // under the connection's startup deadline
		return fmt.Errorf("TLS handshake: %w", err)
	}
	g.conn, g.tls = t, true
	return nil
}

// sameCertificate reports whether clients are shown the very certificate that
// the server shows us. Then channel binding (tls-server-end-point is a hash of it)
// holds from client to server, and SCRAM-SHA-256-PLUS works through the proxy.
func (l *legs) sameCertificate(server net.Conn) bool {
	t, ok := server.(*tls.Conn)
	if !ok || l.tls == nil || len(l.tls.Certificates) != 1 || l.tls.GetCertificate != nil || l.tls.GetConfigForClient != nil {
		return false
	}
	theirs := t.ConnectionState().PeerCertificates
	ours := l.tls.Certificates[0].Certificate
	return len(theirs) > 0 && len(ours) > 0 && bytes.Equal(theirs[0].Raw, ours[0])
}
