//go:build !linux

package proxy

import "golang.org/x/sys/unix"

// pollHangup: the connection is gone. That the peer alone has closed is not told here.
const pollHangup = unix.POLLHUP
