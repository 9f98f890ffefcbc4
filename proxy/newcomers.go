package proxy

import (
	"container/list"
	"context"
	"net"
	"sync"
	"sync/atomic"
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

// hurryPause is how long is waited where all who have had newcomerGrace wait for the proxy.
const hurryPause = 20 * time.Millisecond

// newcomers are the accepted connections that are no session yet, which cost
// their sender nothing. They have so many places; where all are taken, the one goes
// that the proxy has waited for longest, once it has had newcomerGrace. Who waits for
// the proxy stays: in a storm it is the proxy that is late, and owes them an answer.
type newcomers struct {
	places int

	mu    sync.Mutex
	here  list.List     // of *newcomer, the oldest first
	freed chan struct{} // holds one once a place was freed
}

type newcomer struct {
	conn  net.Conn
	since time.Time
	said  atomic.Int32 // of what is below
}

// What a newcomer has sent in full.
const (
	saidNothing int32 = iota
	saidStartup       // it is let in or refused, which takes nothing more from it
	saidCancel        // which may take others long
)

// late: the proxy is, and not the newcomer.
func (c *newcomer) late() bool {
	said := c.said.Load()
	return said == saidStartup || said == saidNothing && queued(c.conn)
}

// place is a newcomer's. The zero place is none.
type place struct {
	of *newcomers
	at *list.Element
}

func newNewcomers(places int) *newcomers {
	return &newcomers{places: places, freed: make(chan struct{}, 1)}
}

// admit waits for a place, and closes the connection that had to make room, if one
// had to. No place: ctx has ended.
func (n *newcomers) admit(ctx context.Context, c net.Conn) (p place, removed net.Conn) {
	for {
		p, removed, wait := n.tryAdmit(c)
		if p.at != nil {
			return p, removed
		}
		timer := time.NewTimer(wait)
		select {
		case <-n.freed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return place{}, nil
		}
		timer.Stop()
	}
}

// tryAdmit does not wait: if there is no place, it says for how long there may be none.
func (n *newcomers) tryAdmit(c net.Conn) (p place, removed net.Conn, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.here.Len() >= n.places {
		oldest := n.here.Front()
		for ; oldest != nil; oldest = oldest.Next() {
			was := oldest.Value.(*newcomer)
			if left := newcomerGrace - time.Since(was.since); left > 0 {
				if oldest != n.here.Front() {
					left = min(left, hurryPause)
				}
				return place{}, nil, left
			}
			if !was.late() {
				break
			}
		}
		if oldest == nil {
			return place{}, nil, hurryPause
		}
		removed = oldest.Value.(*newcomer).conn
		n.here.Remove(oldest)
		removed.Close()
	}
	return place{n, n.here.PushBack(&newcomer{conn: c, since: time.Now()})}, removed, 0
}

// says notes what the newcomer has sent.
func (p place) says(what int32) { p.at.Value.(*newcomer).said.Store(what) }

// leave gives the place back; it may be called again.
func (p place) leave() {
	n := p.of
	n.mu.Lock()
	defer n.mu.Unlock()
	n.here.Remove(p.at) // does nothing if it was removed
	select {
	case n.freed <- struct{}{}:
	default:
	}
}
