//go:build !linux

package proxy

import (
	"crypto/tls"
	"errors"
	"net"
)

// There are loops on Linux only: elsewhere every session has its goroutines.
type loop struct{}

func newLoop(bool) (*loop, error)          { return nil, errors.ErrUnsupported }
func (*loop) watch(*sock) error            { return errors.ErrUnsupported }
func (*loop) close()                       {}
func adopt(net.Conn, *loop) (*sock, error) { return nil, errors.ErrUnsupported }

type sock struct {
	net.Conn
	session *relay
	tls     *tls.Conn
}

func (*sock) tryRead([]byte) (int, error)     { return 0, errors.ErrUnsupported }
func (*sock) tryWrite([]byte) (int, error)    { return 0, errors.ErrUnsupported }
func (*sock) tryReadRaw([]byte) (int, error)  { return 0, errors.ErrUnsupported }
func (*sock) writeSealed([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (*sock) shut() error                     { return nil }
func (*sock) take(c net.Conn) net.Conn        { return c }
func (*sock) owes() bool                      { return false }
func (*sock) settleDebt() error               { return nil }
func (*sock) mayRead() bool                   { return false }
func (*sock) disarm()                         {}
func (*sock) discard()                        {}
func (*sock) release()                        {}
func (*sock) descriptor(func(uintptr)) error  { return errors.ErrUnsupported }
