//go:build linux && !race

package proxy

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reads, writes and looks that do not wait need not tell the scheduler, which
// would take the processor away from a loop that is in the kernel now and again. As
// recvfrom and sendto they go past what the kernel does for files of any kind.

func rawRead(fd int, b []byte) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0, 0)
	return result(n, e)
}

func rawWrite(fd int, b []byte) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return result(n, e)
}

// rawPoll is EpollWait with a bounded wait.
func rawPoll(epoll int, events []unix.EpollEvent, wait time.Duration) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(wait.Milliseconds()), 0, 0)
	return result(n, e)
}

func result(n uintptr, e syscall.Errno) (int, error) {
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
