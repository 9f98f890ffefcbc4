package proxy

import (
	"errors"
	"io"
	"net"
	"time"
)

// A client that has sent Terminate, or shut its side down, may read on to the answers to
// what it sent before; and the server does all of that before it goes, as long as its own
// connection is there. Options.DepartTimeout bounds that.

// departs reports whether a session in which the client sends no more goes on until
// the server has ended it.
func (r *relay) departs(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.departsLocked(err)
}

func (r *relay) departsLocked(err error) bool {
	terminated, departed := errors.Is(err, errTerminated), errors.Is(err, io.EOF) && !errors.Is(err, errServerGone)
	if r.cause != nil || r.serverErr != nil || !r.ready || r.answeredLocked() || !terminated && !departed {
		return false
	}
	if !terminated && !shutWrite(r.server) {
		return false
	}
	r.pend.closing = true
	r.lingering = time.AfterFunc(r.srv.o.DepartTimeout, func() { r.stop(err) })
	return true
}

// shutWrite tells the peer that nothing more will come; false: it cannot be told.
func shutWrite(c net.Conn) bool {
	half, ok := c.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}
