package proxy

import (
	"container/list"
	"context"
	"errors"
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
	newcomers int // connections that are no session yet: so many at least, see places
}

// filesOf divides a limit. Half of what is kept from the sessions is for newcomers.
func filesOf(limit int) files {
	kept := min(max(limit/8, 40), 1000)
	return files{limit: limit, sessions: max((limit-kept)/2, 1), newcomers: kept / 2}
}

// maxNewcomers bounds what newcomers take where there is room for very many, as the kernel's
// queue of connections (somaxconn) does, and newcomerMemory is what one may take amid its
// handshake.
const (
	maxNewcomers   = 4096
	newcomerMemory = 32 << 10
)

// places is how many newcomers there may be. They have the files of sessions that there
// are not: in a storm who connects is rather late than sent away.
func (s *Server) places() int {
	free := min(s.files.sessions-int(s.sessions.Load()), maxNewcomers)
	if s.o.Memory != nil {
		free = int(min(int64(free), s.o.Memory.Limit()/newcomerMemory))
	}
	return max(s.files.newcomers, free)
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
// their sender nothing. They have so many places; where all are taken, the one is sent
// away that the proxy has waited for longest, once it has had newcomerGrace. Who waits
// for the proxy stays: in a storm it is the proxy that is late, and owes them an answer.
type newcomers struct {
	places func() int

	mu    sync.Mutex
	here  list.List     // of *newcomer, the oldest first
	freed chan struct{} // holds one once a place was freed
}

type newcomer struct {
	*arrival
	since time.Time
	state atomic.Int32 // of what is below
}

// How far a newcomer is.
const (
	stateSilent   int32 = iota // it has not sent in full what it wants
	stateSentAway              // nor will it; it is to be told so
	stateStartup               // it is let in or refused, which takes nothing more from it
	stateCancel                // which may take others long
)

// late: the proxy is, and not the newcomer.
func (c *newcomer) late() bool {
	state := c.state.Load()
	return state == stateStartup || state == stateSilent && !c.waiting()
}

// arrival is a newcomer's connection.
type arrival struct {
	net.Conn
	first   []byte // what was read of it, and is to be read again
	reading atomic.Bool
}

func (a *arrival) Read(b []byte) (int, error) {
	if len(a.first) > 0 {
		n := copy(b, a.first)
		a.first = a.first[n:]
		return n, nil
	}
	a.reading.Store(true)
	defer a.reading.Store(false)
	return a.Conn.Read(b)
}

// waiting reports whether somebody waits for what has not come.
func (a *arrival) waiting() bool { return a.reading.Load() && !queued(a.Conn) }

// place is a newcomer's. The zero place is none.
type place struct {
	of *newcomers
	at *list.Element
}

func newNewcomers(places func() int) *newcomers {
	return &newcomers{places: places, freed: make(chan struct{}, 1)}
}

// admit waits for a place. No place: ctx has ended.
func (n *newcomers) admit(ctx context.Context, c net.Conn) (p place, err error) {
	for {
		p, wait := n.tryAdmit(c)
		if wait == 0 {
			return p, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-n.freed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return place{}, ctx.Err()
		}
		timer.Stop()
	}
}

// tryAdmit does not wait: if there is no place, it may send a newcomer away, and says for
// how long there may be none if nobody leaves.
func (n *newcomers) tryAdmit(c net.Conn) (p place, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	places := n.places()
	for at := n.here.Front(); at != nil && n.here.Len() >= places; at = at.Next() {
		was := at.Value.(*newcomer)
		if left := newcomerGrace - time.Since(was.since); left > 0 {
			if at != n.here.Front() {
				left = min(left, hurryPause)
			}
			return place{}, left
		}
		if was.late() {
			continue
		}
		if was.state.Load() == stateCancel { // it goes on, but nobody is told when it is through
			was.Close()
			n.here.Remove(at)
			break
		}
		if was.state.CompareAndSwap(stateSilent, stateSentAway) {
			was.SetReadDeadline(time.Unix(1, 0))
			break
		}
	}
	if n.here.Len() >= places {
		return place{}, hurryPause
	}
	return place{n, n.here.PushBack(&newcomer{arrival: &arrival{Conn: c}, since: time.Now()})}, 0
}

// errSentAway is for a newcomer that had to make room.
var errSentAway = tooMany("The connection had sent no startup packet yet, and others waited for its place; connect again.",
	errors.New("no startup packet had come, and others waited"))

// conn is the newcomer's connection.
func (p place) conn() *arrival { return p.at.Value.(*newcomer).arrival }

// says notes what the newcomer has sent, unless it was sent away.
func (p place) says(what int32) bool {
	return p.at.Value.(*newcomer).state.CompareAndSwap(stateSilent, what)
}

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
