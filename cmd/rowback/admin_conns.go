package main

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxAdminConns is how many connections the admin endpoint has at a time: whoever can reach it
// may open some, and they are files that the sessions and the journal need. Where more come,
// the oldest goes that has no answer under way.
const maxAdminConns = 32

// conns are the connections of the admin endpoint.
type conns struct {
	mu  sync.Mutex
	all []*adminConn // the oldest first
}

// adminConn is one of them.
type adminConn struct {
	net.Conn
	idle    bool // no request is under way, nor may be
	old     bool // it ends with the answer under way, or the next one
	answers int  // under way
}

// state is an http.Server's ConnState.
func (c *conns) state(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		c.all = append(c.all, &adminConn{Conn: conn})
		c.makeRoom()
	case http.StateClosed, http.StateHijacked:
		c.all = slices.DeleteFunc(c.all, func(is *adminConn) bool { return is.Conn == conn })
	default:
		if is := c.find(conn); is != nil {
			is.idle = s == http.StateIdle
		}
	}
}

// renew ends the connections, each behind what is under way on it: who comes again is looked at anew.
func (c *conns) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = slices.DeleteFunc(c.all, func(is *adminConn) bool {
		if is.old = true; is.idle {
			is.cut()
		}
		return is.idle
	})
}

// makeRoom closes a connection if there are too many. mu is held.
func (c *conns) makeRoom() {
	if len(c.all) <= maxAdminConns {
		return
	}
	i := slices.IndexFunc(c.all, func(is *adminConn) bool { return is.answers == 0 }) // the newest, at last
	c.all[i].cut()
	c.all = slices.Delete(c.all, i, i+1)
}

// cut closes it, without the farewell of TLS, which may wait.
func (c *adminConn) cut() {
	under := c.Conn
	if t, ok := under.(interface{ NetConn() net.Conn }); ok {
		under = t.NetConn()
	}
	_ = under.Close()
}

// find is nil for one that had to make room. mu is held.
func (c *conns) find(conn net.Conn) *adminConn {
	for _, is := range c.all {
		if is.Conn == conn {
			return is
		}
	}
	return nil
}

func (c *conns) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.all, func(is *adminConn) bool { return !is.idle })
}

type connKey struct{}

// withConn is an http.Server's ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// answering notes which connections have an answer under way.
func (c *conns) answering(next http.Handler) http.Handler {
	count := func(q *http.Request, n int) (old bool) {
		conn, _ := q.Context().Value(connKey{}).(net.Conn)
		c.mu.Lock()
		defer c.mu.Unlock()
		is := c.find(conn)
		if is == nil {
			return true
		}
		is.answers += n
		return is.old
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if count(q, 1) {
			w.Header().Set("Connection", "close")
		}
		defer count(q, -1)
		next.ServeHTTP(w, q)
	})
}
