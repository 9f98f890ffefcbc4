package proxy

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// carrier is what a connection under TLS runs on: Go's connection, and once its
// session is on a loop, a sock. crypto/tls then takes from it what is there and hands
// it what is to be sent, and never waits for the peer on the loop's account: errAgain
// is temporary to it, so that it goes on later where it stopped.
type carrier struct {
	net.Conn // as it was accepted or dialled
	sock     atomic.Pointer[sock]
}

// unwrap is the connection below TLS, and that under it; TLS is nil where there is none.
func unwrap(c net.Conn) (*tls.Conn, *carrier, net.Conn) {
	t, ok := c.(*tls.Conn)
	if !ok {
		return nil, nil, c
	}
	on, ok := t.NetConn().(*carrier)
	if !ok {
		return nil, nil, c
	}
	return t, on, on.Conn
}

// NetConn is the connection that bytes go over.
func (c *carrier) NetConn() net.Conn {
	if s := c.sock.Load(); s != nil {
		return s
	}
	return c.Conn
}

func (c *carrier) Read(b []byte) (int, error) {
	if s := c.sock.Load(); s != nil {
		return s.tryReadRaw(b)
	}
	return c.Conn.Read(b)
}

func (c *carrier) Write(b []byte) (int, error) {
	if s := c.sock.Load(); s != nil {
		return s.writeSealed(b)
	}
	return c.Conn.Write(b)
}

func (c *carrier) Close() error {
	if s := c.sock.Load(); s != nil {
		return s.shut()
	}
	return c.Conn.Close()
}

func (c *carrier) SetDeadline(t time.Time) error      { return c.NetConn().SetDeadline(t) }
func (c *carrier) SetReadDeadline(t time.Time) error  { return c.NetConn().SetReadDeadline(t) }
func (c *carrier) SetWriteDeadline(t time.Time) error { return c.NetConn().SetWriteDeadline(t) }

// nothing is the type of errAgain. crypto/tls keeps an error for good unless it says
// that it is temporary.
type nothing struct{}

func (nothing) Error() string   { return "nothing to read" }
func (nothing) Timeout() bool   { return false }
func (nothing) Temporary() bool { return true }
