package proxy

import "golang.org/x/sys/unix"

// pollHangup: the peer will send no more.
const pollHangup = unix.POLLRDHUP
