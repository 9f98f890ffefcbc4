package pgtest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Relay is a way to a cluster that can go silent, as a network that drops every
// packet: connections stay open and carry nothing, not even their end.
type Relay struct {
	listener net.Listener
	to       string
	done     sync.WaitGroup

	// way is held for writing while it is silent, and for reading to pass something on.
	way sync.RWMutex

	// mu guards the rest.
	mu     sync.Mutex
	silent bool
	open   []net.Conn
}

// NewRelay leads to c until the test ends.
func NewRelay(t testing.TB, c *Cluster) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, to: c.Addr()}
	r.done.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.Cut()
		r.done.Wait()
	})
	return r
}

// Cut ends all connections; what it was silent of is lost.
func (r *Relay) Cut() {
	r.mu.Lock()
	for _, c := range r.open {
		c.Close()
	}
	r.open = nil
	r.mu.Unlock()
	r.Silence(false)
}

// Addr is the cluster's by way of the relay.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Through is a URL of the cluster by way of the relay.
func (r *Relay) Through(url string) string {
	return strings.Replace(url, r.to, r.Addr(), 1)
}

// Silence makes it silent, or pass on again what it was sent.
func (r *Relay) Silence(silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case silent && !r.silent:
		r.way.Lock()
	case !silent && r.silent:
		r.way.Unlock()
	}
	r.silent = silent
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.to)
		if err != nil {
			client.Close()
			continue
		}
		r.mu.Lock()
		r.open = append(r.open, client, server)
		r.mu.Unlock()
		r.done.Go(func() { r.pass(server, client) })
		r.done.Go(func() { r.pass(client, server) })
	}
}

func (r *Relay) pass(to io.WriteCloser, from io.Reader) {
	for buffer := make([]byte, 32<<10); ; {
		n, err := from.Read(buffer)
		r.way.RLock()
		_, failed := to.Write(buffer[:n])
		if err != nil || failed != nil {
			to.Close()
		}
		r.way.RUnlock()
		if err != nil || failed != nil {
			return
		}
	}
}
