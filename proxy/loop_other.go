//go:build !linux

package proxy

import (
	"errors"
	"net"
)

// There are loops on Linux only: elsewhere every session has its goroutines.
type loop struct{}

func newLoop() (*loop, error)              { return nil, errors.ErrUnsupported }
func (*loop) watch(*sock) error            { return errors.ErrUnsupported }
func (*loop) close()                       {}
func adopt(net.Conn, *loop) (*sock, error) { return nil, errors.ErrUnsupported }

type sock struct {
	net.Conn
	session *relay
}

func (*sock) tryRead([]byte) (int, error)    { return 0, errors.ErrUnsupported }
func (*sock) tryWrite([]byte) (int, error)   { return 0, errors.ErrUnsupported }
func (*sock) mayRead() bool                  { return false }
func (*sock) disarm()                        {}
func (*sock) discard()                       {}
func (*sock) release()                       {}
func (*sock) descriptor(func(uintptr)) error { return errors.ErrUnsupported }
