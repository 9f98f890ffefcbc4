//go:build linux && race

package proxy

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The race detector takes what goes through sockets for an order of events, if
// it is told of it, as package syscall does.

func rawRead(fd int, b []byte) (int, error)  { return syscall.Read(fd, b) }
func rawWrite(fd int, b []byte) (int, error) { return syscall.Write(fd, b) }
func rawPoll(epoll int, events []unix.EpollEvent, wait time.Duration) (int, error) {
	return unix.EpollWait(epoll, events, int(wait.Milliseconds()))
}
