package proxy

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What is given to another process leaves the socket as it is: one that waits could
// not be closed while it is accepted from.
func TestFileOf_LeavesTheSocketWithoutWaiting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := FileOf(l)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	again, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
