package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/rowback/rowback/internal/testcert"
)

// pieces is a connection on which all comes and goes in small pieces, so that records
// of TLS are cut anywhere.
type pieces struct {
	net.Conn
	n atomic.Int64
}

func (p *pieces) size() int {
	n := int(p.n.Add(1))
	return 1 + n*n%41
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(b) > 2000 && p.n.Load()%3 > 0 { // the proxy's side gets ahead, and fills what there is room for
		runtime.Gosched()
	}
	return p.Conn.Read(b[:min(len(b), 50*p.size())])
}

func (p *pieces) Write(b []byte) (done int, err error) {
	for done < len(b) && err == nil {
		var n int
		n, err = p.Conn.Write(b[done:min(len(b), done+p.size()*(1+len(b)/4096))])
		done += n
	}
	return done, err
}

// A session under TLS on a loop: whatever the pieces, and however slow the client, all
// arrives both ways, and a quiet session has no goroutine.
func TestLoop_UnderTLS(t *testing.T) {
	for name, o := range underTLS(t) {
		t.Run(name, func(t *testing.T) {
			s := serve(t, o)
			config, err := pgx.ParseConfig(proxyURL(s, "postgres"))
			if err != nil {
				t.Fatal(err)
			}
			if o.TLS != nil {
				if config, err = pgx.ParseConfig(strings.Replace(proxyURL(s, "postgres"), "sslmode=disable", "sslmode=require", 1)); err != nil {
					t.Fatal(err)
				}
			}
			config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := (&net.Dialer{Control: smallWindow}).DialContext(ctx, network, addr)
				return &pieces{Conn: c}, err
			}
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			ctx, c := t.Context(), conn.PgConn()
			if _, err := conn.Exec(ctx, "CREATE TEMP TABLE lines (n int, t text)"); err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			for i := range 100_000 {
				fmt.Fprintf(&text, "%d\t%s\n", i, strings.Repeat("x", i%300))
			}
			want := sha256.Sum256(text.Bytes())
			if _, err := c.CopyFrom(ctx, &text, "COPY lines FROM STDIN"); err != nil {
				t.Fatal(err)
			}
			got := digest{sha256.New()}
			if _, err := c.CopyTo(ctx, got, "COPY (SELECT * FROM lines ORDER BY n) TO STDOUT"); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Sum(nil), want[:]) {
				t.Error("what came back is not what was sent")
			}
			eventually(t, "a quiet session has no goroutine", func() bool { return !strings.Contains(stacks(), "proxy.(*relay)") })
			if _, err := conn.Exec(ctx, "SELECT 1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// together is a connection that sends in one piece what was written while held.
type together struct {
	net.Conn
	held  bool
	first []byte
}

func (c *together) Write(b []byte) (int, error) {
	if c.held {
		c.first = append(c.first, b...)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// What a server sends behind its first ReadyForQuery, in a record of its own but the same
// packet, is with crypto/tls when the session comes to its loop: no edge tells of it.
func TestLoop_WhatTLSHasAlready(t *testing.T) {
	a := testcert.New(t)
	cert, key := a.Issue(t, "server")
	config := mustLoad(t, cert, key, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	notice := appendFrame(nil, 'A', []byte("\x00\x00\x00\x01news\x00\x00"))
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := io.ReadFull(c, make([]byte, 8)); err != nil {
				return err
			}
			if _, err := c.Write([]byte{'S'}); err != nil {
				return err
			}
			below := &together{Conn: c}
			under := tls.Server(below, config)
			if _, err := readPacket(under); err != nil {
				return err
			}
			below.held = true
			for _, frames := range [][]byte{appendFrame(appendFrame(nil, 'R', []byte{0, 0, 0, 0}), 'Z', []byte{'I'}), notice} {
				if _, err := under.Write(frames); err != nil {
					return err
				}
			}
			if _, err := c.Write(below.first); err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, under)
			return err
		}()
	}()
	s := serve(t, Options{Upstream: "postgres://" + l.Addr().String() + "/?sslmode=require"})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	packet := append([]byte{0, 0, 0, 0, 0, 3, 0, 0}, "user\x00u\x00\x00"...)
	packet[3] = byte(len(packet))
	if _, err := c.Write(packet); err != nil {
		t.Fatal(err)
	}
	want := append(appendFrame(appendFrame(nil, 'R', []byte{0, 0, 0, 0}), 'Z', []byte{'I'}), notice...)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("%q, %v", got[:n], err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	c.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

type digest struct{ hash.Hash }

// stacks are those of all goroutines.
func stacks() string {
	b := make([]byte, 4<<20)
	return string(b[:runtime.Stack(b, true)])
}

// smallWindow makes the peer's writes not fit.
func smallWindow(_, _ string, c syscall.RawConn) (err error) {
	if controlled := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) }); controlled != nil {
		return controlled
	}
	return err
}
