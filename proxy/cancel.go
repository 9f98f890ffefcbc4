package proxy

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"time"
)

// cancelKeys says whose a cancel key is. Clients get the server's keys
// unchanged, so a cancel request is passed on as it came.
type cancelKeys struct {
	mu sync.Mutex
	m  map[string]*relay // by process ID and secret key, as in BackendKeyData

	passing map[*relay]*canceling // as long as there are requests on their way
}

// canceling is where a session's requests meet, until over is called.
func (k *cancelKeys) canceling(r *relay) (c *canceling, over func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c = k.passing[r]; c == nil {
		if k.passing == nil {
			k.passing = map[*relay]*canceling{}
		}
		c = &canceling{}
		k.passing[r] = c
	}
	c.requests++
	return c, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if c.requests--; c.requests == 0 {
			delete(k.passing, r)
		}
	}
}

func (k *cancelKeys) add(key string, r *relay) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil {
		k.m = map[string]*relay{}
	}
	k.m[key] = r
}

func (k *cancelKeys) remove(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.m, key)
}

// find is the session that has a key, nil if none.
func (k *cancelKeys) find(key []byte) *relay {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.m[string(key)]
}

// Cancel passes a cancel request on that another process was sent, and reports
// whether a session here has its key. key is as in BackendKeyData.
func (s *Server) Cancel(ctx context.Context, key []byte) (found bool, err error) {
	if s.keys.find(key) == nil {
		return false, nil
	}
	return true, s.cancel(ctx, key)
}

// cancel passes a cancel request on to the server that gave out its key, and
// returns when that server has handled it. A session that pauses is told
// itself: its server has nothing to cancel.
func (s *Server) cancel(ctx context.Context, key []byte) error {
	r := s.keys.find(key)
	switch {
	case r == nil:
		return s.cancelElsewhere(ctx, key)
	case r.interrupt():
		return nil
	}
	c, over := s.keys.canceling(r)
	defer over()
	return c.pass(func() error { return s.passCancel(ctx, r.ep, key) })
}

// canceling are the cancel requests of one session on their way to its server, one at a time:
// those that come meanwhile are one more, however many they are. The zero value is ready.
type canceling struct {
	requests int // guarded by cancelKeys.mu

	turn sync.Mutex // of the one on its way
	mu   sync.Mutex
	next *cancelPass // it has not begun; nil: there is none
}

type cancelPass struct {
	done chan struct{}
	err  error // read after done
}

// pass returns when a request that began after the call has been handled.
func (c *canceling) pass(send func() error) error {
	c.mu.Lock()
	p := c.next
	if p != nil {
		c.mu.Unlock()
		<-p.done
		return p.err
	}
	p = &cancelPass{done: make(chan struct{})}
	c.next = p
	c.mu.Unlock()
	c.turn.Lock()
	defer c.turn.Unlock()
	c.mu.Lock()
	c.next = nil
	c.mu.Unlock()
	defer close(p.done)
	p.err = send()
	return p.err
}

func (s *Server) passCancel(ctx context.Context, ep endpoint, key []byte) error {
	c, err := ep.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.SetDeadline(time.Now().Add(ep.timeout))
	packet := binary.BigEndian.AppendUint32(nil, uint32(8+len(key)))
	packet = binary.BigEndian.AppendUint32(packet, requestCancel)
	if _, err := c.Write(append(packet, key...)); err != nil {
		return err
	}
	s.canceled.Add(1)
	_, err = io.Copy(io.Discard, c) // the server closes it when the signal is sent
	return err
}
