package proxy

import (
	"container/list"
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// files is how many files the process may open, divided so that the sessions never
// use up what the journal, the catalog and the next client need.
type files struct {
	limit     int
	sessions  int // which have two each: the client's connection and the server's
	newcomers int // connections that are no session yet
}

// filesOf divides a limit. Half of what is kept from the sessions is for newcomers.
func filesOf(limit int) files {
	kept := min(max(limit/8, 40), 1000)
	return files{limit: limit, sessions: max((limit-kept)/2, 1), newcomers: kept / 2}
}

// openFiles divides what the process has now; Go has raised the soft limit to the
// hard one when it started.
func openFiles() files {
	var is syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &is); err != nil || is.Cur > 1<<24 {
		is.Cur = 1 << 24
	}
	return filesOf(int(is.Cur))
}

// newcomerGrace is how long a newcomer may take where others wait for its place: two
// round trips, for a TLS handshake and the startup packet, take less over a good line.
const newcomerGrace = 500 * time.Millisecond

// newcomers are the accepted connections that are no session yet, which cost
// their sender nothing. They have so many places; where all are taken, the one
// that has been here longest goes, once it has had newcomerGrace.
type newcomers struct {
	places int

	mu    sync.Mutex
	here  list.List     // of *newcomer, the oldest first
	freed chan struct{} // holds one once a place was freed
}

type newcomer struct {
	conn  net.Conn
	since time.Time
}

func newNewcomers(places int) *newcomers {
	return &newcomers{places: places, freed: make(chan struct{}, 1)}
}

// admit waits for a place, and closes the connection that had to make room, if one
// had to. leave gives the place back and may be called again; nil: ctx has ended.
func (n *newcomers) admit(ctx context.Context, c net.Conn) (leave func(), removed net.Conn) {
	for {
		leave, removed, wait := n.tryAdmit(c)
		if leave != nil {
			return leave, removed
		}
		timer := time.NewTimer(wait)
		select {
		case <-n.freed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		}
		timer.Stop()
	}
}

// tryAdmit does not wait: if there is no place, it says how long the oldest may still keep its own.
func (n *newcomers) tryAdmit(c net.Conn) (leave func(), removed net.Conn, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.here.Len() >= n.places {
		oldest := n.here.Front()
		was := oldest.Value.(*newcomer)
		if wait := newcomerGrace - time.Since(was.since); wait > 0 {
			return nil, nil, wait
		}
		n.here.Remove(oldest)
		removed = was.conn
		removed.Close()
	}
	e := n.here.PushBack(&newcomer{c, time.Now()})
	return func() { n.leave(e) }, removed, 0
}

func (n *newcomers) leave(e *list.Element) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.here.Remove(e) // does nothing if it was removed
	select {
	case n.freed <- struct{}{}:
	default:
	}
}
