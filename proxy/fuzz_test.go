package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

const fuzzMaxMessage = 3 * lookSize

// fakeConn gives out input in reads of at most chunk bytes and keeps what is written.
type fakeConn struct {
	net.Conn
	in    []byte
	chunk int
	out   bytes.Buffer
	// onWrite is called before each write.
	onWrite func()
}

func (c *fakeConn) Read(b []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.chunk)], c.in)
	c.in = c.in[n:]
	return n, nil
}
func (c *fakeConn) Write(b []byte) (int, error) {
	if c.onWrite != nil {
		c.onWrite()
	}
	return c.out.Write(b)
}
func (c *fakeConn) Close() error                    { return nil }
func (c *fakeConn) RemoteAddr() net.Addr            { return &net.TCPAddr{} }
func (c *fakeConn) SetDeadline(time.Time) error     { return nil }
func (c *fakeConn) SetReadDeadline(time.Time) error { return nil }

func fuzzRelay(t *testing.T, client, server *fakeConn, judge Judge) *relay {
	s, err := New(Options{Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", MaxMessage: fuzzMaxMessage, Judge: judge})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{srv: s, client: client, server: server, cin: newInbuf(client), sin: newInbuf(server),
		scan: serverScan{max: fuzzMaxMessage}, params: newParameters(), ready: true}
	r.cond.L = &r.mu
	return r
}

// frames is the part of b that whole and begun frames make up.
func frames(b []byte, last int, types *[256]bool) (end int, malformed bool) {
	for len(b)-end >= headerLen {
		size, err := frameSize(b[end:], fuzzMaxMessage)
		if err != nil || types != nil && !types[b[end]] {
			return end, true
		}
		typ := b[end]
		end = min(len(b), end+size)
		if int(typ) == last {
			break
		}
	}
	return end, false
}

// Whatever a client sends, in reads of whatever size: what goes to the server is
// what came, up to the first malformed frame or Terminate.
func FuzzClientFrames(f *testing.F) {
	for _, seed := range [][]byte{
		query("SELECT 1"), append(prepared("SELECT 1"), syncFrame...), {'X', 0, 0, 0, 4, 1}, {'Q', 0, 0, 0, 3},
		{'d', 0, 0, 0, 20, 1}, {'Q', 0xff, 0xff, 0xff, 0xff}, {'p', 0, 0, 0, 4}, append(query("a"), 'B', 0, 0, 1, 0),
		appendFrame(nil, 'B', make([]byte, 2*lookSize)), appendFrame(nil, 'Q', make([]byte, fuzzMaxMessage-10)),
	} {
		f.Add(seed, uint16(1))
		f.Add(seed, uint16(1000))
	}
	judges := []Judge{nil, judgeFunc(func(_ context.Context, w Wire, _ byte, _ []byte) error { w.Forward(); return nil }),
		judgeFunc(func(_ context.Context, w Wire, typ byte, body []byte) error { w.Send(typ, body); return nil }),
		onMarked{types: "Q", do: func(_ context.Context, w Wire, _ byte, _ []byte) error { w.Forward(); return nil }}}
	f.Fuzz(func(t *testing.T, in []byte, chunk uint16) {
		end, malformed := frames(in, 'X', &clientTypes)
		for i, judge := range judges {
			client, server := &fakeConn{in: in, chunk: int(chunk) + 1}, &fakeConn{}
			r := fuzzRelay(t, client, server, judge)
			err := r.relayClient(t.Context())
			out := server.out.Bytes()
			if !bytes.HasPrefix(in[:end], out) {
				t.Fatalf("judge %d: forwarded %q of %q", i, out, in[:end])
			}
			// A judge may wait for the rest of the last message; without one all goes on.
			if i == 0 && len(out) != end && !(malformed && len(in) > 0) {
				t.Fatalf("forwarded %d bytes of %d", len(out), end)
			}
			if ce := (*clientError)(nil); malformed != errors.As(err, &ce) {
				t.Fatalf("judge %d: %v", i, err)
			}
		}
	})
}

// Whatever a server sends, in reads of whatever size: the client gets it as it
// came, and the state after it is the same.
func FuzzServerFrames(f *testing.F) {
	for _, seed := range [][]byte{
		[]byte("Z\x00\x00\x00\x05I"), []byte("S\x00\x00\x00\x08a\x00b\x00"), []byte("1\x00\x00\x00\x042\x00\x00\x00\x04E\x00\x00\x00\x0dSFATAL\x00\x00\x00"),
		[]byte("G\x00\x00\x00\x07\x00\x00\x00E\x00\x00\x00\x05\x00Z\x00\x00\x00\x05E"), []byte("D\x00\x00\x00\x03"),
		appendFrame(nil, 'S', make([]byte, 2*lookSize)), appendFrame(nil, 'D', make([]byte, fuzzMaxMessage-10)),
	} {
		f.Add(seed, []byte("PBES"), uint16(1))
		f.Add(seed, []byte("PBEdcSQ"), uint16(1000))
	}
	f.Fuzz(func(t *testing.T, in, sent []byte, chunk uint16) {
		end, malformed := frames(in, -1, nil)
		var before *relay
		for _, chunk := range []int{len(in) + 1, int(chunk) + 1} {
			client, server := &fakeConn{}, &fakeConn{in: in, chunk: chunk}
			r := fuzzRelay(t, client, server, nil)
			for _, typ := range sent {
				r.pend.push(typ)
			}
			client.onWrite = func() {
				if r.answeredLocked() {
					t.Fatal("an answer counts before the client has it")
				}
			}
			err := r.relayServer()
			if out := client.out.Bytes(); !bytes.HasPrefix(in[:end], out) || len(out) < end-maxParameter {
				t.Fatalf("the client got %d bytes of %d", len(out), end)
			}
			if ce := (*clientError)(nil); malformed != errors.As(err, &ce) {
				t.Fatal(err)
			}
			if r.pend.quiet() && r.pend.needFlush() {
				t.Fatal("quiet, and yet to flush")
			}
			if before != nil && (before.pend.discarding != r.pend.discarding || before.pend.tx != r.pend.tx || before.pend.quiet() != r.pend.quiet() ||
				before.pend.copyIn != r.pend.copyIn || before.params != r.params) {
				t.Fatalf("the state depends on how the bytes came: %+v %+v", before.pend, r.pend)
			}
			before = r
		}
	})
}

// Whatever a connection begins with, it is refused or understood, without a panic.
func FuzzStartup(f *testing.F) {
	f.Add(packet(3<<16, startupBody), uint16(1))
	f.Add(append(packet(requestSSL, ""), packet(requestGSS, "")...), uint16(3))
	f.Add(packet(requestCancel, "12345678"), uint16(100))
	f.Add(packet(3<<16, "user\x00\x00a"), uint16(100))
	f.Fuzz(func(t *testing.T, in []byte, chunk uint16) {
		s, err := New(Options{Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		g, err := s.readStartup(&arrival{Conn: &fakeConn{in: in, chunk: int(chunk) + 1}}, s.legs.Load())
		if err == nil && (g.cancel == nil) == (g.packet == nil) {
			t.Fatal("neither a session nor a cancel request, or both")
		}
		fatalFor(err)
	})
}
