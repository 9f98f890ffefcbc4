package proxy

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loop waits for many connections in one goroutine, and moves what goes through
// without a look. A quiet session costs no goroutine and no buffer, a message one
// read and one write; with many sessions one wait serves several messages.
type loop struct {
	epoll, bell int
	keeps       bool // its processor of Go's, see wait

	mu     sync.Mutex
	socks  []*sock // by descriptor
	closed bool
	done   chan struct{}
}

// watched is what the loop is told of.
const watched = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

// maxUnheard is how long a wait goes on that no signal interrupts. A timer that comes
// before the kernel's own next one would be set anew for each message.
const maxUnheard = 100 * time.Millisecond

// turn is how long a loop that keeps its processor goes on by itself.
const turn = 5 * time.Millisecond

// batch is how many connections one wait reports at most.
const batch = 128

func newLoop(keeps bool) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(bell)})
	}
	if err != nil {
		_, _ = unix.Close(epoll), unix.Close(bell)
		return nil, os.NewSyscallError("eventfd", err)
	}
	interrupted := !strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1") // see wait
	l := &loop{epoll: epoll, bell: bell, keeps: keeps && interrupted, socks: make([]*sock, bell+1), done: make(chan struct{})}
	go l.run()
	return l, nil
}

// watch begins to report on s.
func (l *loop) watch(s *sock) error {
	l.mu.Lock()
	if more := s.fd + 1 - len(l.socks); more > 0 {
		l.socks = append(l.socks, make([]*sock, more)...)
	}
	l.socks[s.fd] = s
	l.mu.Unlock()
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: watched, Fd: int32(s.fd)}))
}

// change adds to what is watched for, and reports at once if that is so.
func (l *loop) change(s *sock, more uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: watched | more, Fd: int32(s.fd)}))
}

// forget is before the descriptor is closed.
func (l *loop) forget(s *sock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.socks[s.fd] = nil
}

func (l *loop) run() {
	defer close(l.done)
	var (
		buf    = make([]byte, 2*bufferSize)
		events [batch]unix.EpollEvent
		socks  [batch]*sock
		given  time.Time // when it last gave others a turn
	)
	for {
		n := l.wait(events[:])
		l.mu.Lock()
		closed := l.closed
		for i := range n {
			socks[i] = l.socks[events[i].Fd] // nil: the bell, or closed meanwhile
		}
		l.mu.Unlock()
		if closed {
			return
		}
		woken := false
		for i := range n {
			if s := socks[i]; s != nil {
				s.event(events[i].Events)
				woken = !s.session.advance(s, buf) || woken
				socks[i] = nil
			}
		}
		// Those woken go on here, rather than wait for this thread to come back. Who
		// gives no turn for ten milliseconds is made to, in the middle of a wait.
		if now := time.Now(); woken || l.keeps && now.Sub(given) > turn {
			runtime.Gosched()
			given = now
		}
	}
}

// wait for events. As long as messages come soon after another it does so without the
// scheduler's knowledge: to give the processor (a P) back and to get one again costs more
// than the message. The scheduler interrupts it by a signal where it needs the processor
// or the world stopped, and when it has been away for ten milliseconds: then
// all is quiet, and it waits as everybody does.
func (l *loop) wait(events []unix.EpollEvent) int {
	unheard := time.Duration(0)
	if l.keeps {
		unheard = maxUnheard
	}
	n, err := rawPoll(l.epoll, events, unheard)
	if n == 0 && err == nil || errors.Is(err, unix.EINTR) {
		n, err = unix.EpollWait(l.epoll, events, -1)
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic(os.NewSyscallError("epoll_wait", err)) // no argument of it can be wrong
	}
	return max(n, 0)
}

// close ends the loop; no session is on it any more.
func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_, _ = unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-l.done
	_, _ = unix.Close(l.epoll), unix.Close(l.bell)
}
