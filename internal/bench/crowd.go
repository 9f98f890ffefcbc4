package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// crowd is many sessions, each with little around it on this side.
type crowd struct{ conns []net.Conn }

// gather opens n sessions, and has each run a query.
func gather(ctx context.Context, addr, database string, n int, secure bool) (_ *crowd, err error) {
	c := &crowd{conns: make([]net.Conn, n)}
	next, errs := make(chan int, n), make(chan error, n)
	for i := range n {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := range next {
				if c.conns[i], err = join(ctx, addr, database, secure); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(errs)
	if err := <-errs; err != nil {
		c.leave()
		return nil, err
	}
	return c, nil
}

// leave ends all sessions.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// join opens a session and asks one thing. The caller closes the connection.
func join(ctx context.Context, addr, database string, secure bool) (conn net.Conn, err error) {
	dialer := net.Dialer{Timeout: time.Minute}
	if conn, err = dialer.DialContext(ctx, "tcp", addr); err != nil {
		return nil, err
	}
	plain := conn
	defer func() {
		if err != nil {
			err = errors.Join(err, plain.Close())
			conn = nil
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	if secure {
		request, _ := (&pgproto3.SSLRequest{}).Encode(nil)
		var answer [1]byte
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'S' {
			return nil, fmt.Errorf("no TLS: %q, %w", answer, err)
		}
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // a certificate of our own, on loopback
	}
	hello := pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "postgres", "database": database}}
	if err := ask(conn, &hello); err != nil {
		return nil, err
	}
	return conn, ask(conn, &pgproto3.Query{String: "SELECT 1"})
}

// ask sends a message and reads up to ReadyForQuery.
func ask(conn net.Conn, m pgproto3.FrontendMessage) error {
	packet, err := m.Encode(nil)
	if err != nil {
		return err
	}
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	for {
		var header [5]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(conn, body); err != nil {
			return err
		}
		switch header[0] {
		case 'Z':
			return nil
		case 'E':
			var e pgproto3.ErrorResponse
			if err := e.Decode(body); err != nil {
				return err
			}
			return errors.New(e.Message)
		}
	}
}
