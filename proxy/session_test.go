package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// rawSession starts a session by hand and returns it ready for queries.
func rawSession(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c := dial(t, s)
	write(t, c, packet(3<<16, startupBody))
	readUntil(t, c, 'Z')
	return c
}

func TestSession_RefusesMalformedMessages(t *testing.T) {
	for name, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{Judge: judge})
			bystander := connect(t, proxyURL(s, "postgres"))
			for name, b := range map[string][]byte{
				"unknown type":      {'!', 0, 0, 0, 4},
				"password too late": {'p', 0, 0, 0, 5, 0},
				"length too small":  {'Q', 0, 0, 0, 3},
				"length zero":       {'S', 0, 0, 0, 0},
				"length absurd":     {'Q', 0xff, 0xff, 0xff, 0xff},
				"length over limit": {'d', 0x40, 0, 4, 0},
			} {
				t.Run(name, func(t *testing.T) {
					c := rawSession(t, s)
					write(t, c, b)
					wantError(t, c, codeProtocolViolation)
				})
			}
			t.Run("gone in the middle of a message", func(t *testing.T) {
				c := rawSession(t, s)
				write(t, c, []byte{'Q', 0x30, 0, 0, 0, 'S', 'E', 'L'})
				c.Close()
			})
			testQueries(t, bystander)
		})
	}
}

// A length that a client only claims takes no memory; a long message's is given back.
func TestInbuf_MemoryFollowsWhatIsSent(t *testing.T) {
	b := newInbuf(&fakeConn{in: []byte{'Q', 0x3f, 0xff, 0xff, 0xff, 'x'}, chunk: 6})
	if err := b.fill(); err != nil {
		t.Fatal(err)
	}
	if len(b.buf) != bufferSize {
		t.Error("buffer of", len(b.buf))
	}
	long := appendFrame(nil, 'Q', make([]byte, 10*bufferSize))
	b = newInbuf(&fakeConn{in: append(long, query("SELECT 1")...), chunk: len(long)})
	_, _, size, err := b.frame(DefaultMaxMessage)
	if err != nil || size != len(long) || len(b.buf) > 2*len(long) {
		t.Fatal(size, len(b.buf), err)
	}
	b.r += size
	if err := b.fill(); err != io.EOF || len(b.buf) != bufferSize {
		t.Errorf("buffer of %d, %v", len(b.buf), err)
	}
	if _, body, _, err := b.frame(DefaultMaxMessage); err != nil || string(body) != "SELECT 1\x00" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestSession_OverUnixSockets(t *testing.T) {
	dir := t.TempDir()
	c := pgtest.Shared(t)
	s := serve(t, Options{Listen: dir + ":7777", Upstream: fmt.Sprintf("%s:%d", c.Dir, c.Port)})
	url := "host=" + dir + " port=7777 user=postgres dbname=postgres"
	testQueries(t, connect(t, url))
	testCancel(t, url)
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, ".s.PGSQL.7777")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the socket is still there:", err)
	}
	t.Run("a stale socket is replaced, a used one is not", func(t *testing.T) {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, ".s.PGSQL.6432"), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		other, err := New(Options{Listen: dir, Upstream: c.Addr()})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "already") {
			t.Error(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		testQueries(t, connect(t, fmt.Sprintf("host=%s port=6432 user=postgres dbname=postgres", filepath.Dir(serve(t, Options{Listen: dir, Upstream: c.Addr()}).Addr().String()))))
	})
}

func TestSession_CancelReachesTheRightServer(t *testing.T) {
	// The second server is used once the first is gone; sessions of both live on.
	first, second := fakeServer(t, "a first key"), fakeServer(t, "and a second key, longer than the four bytes of old")
	s := serve(t, Options{Upstream: "postgres://" + first.Addr() + "," + second.Addr() + "/?sslmode=disable"})
	one := rawSession(t, s)
	first.l.Close()
	two := rawSession(t, s)
	for _, f := range []*fake{second, first} {
		if f == first { // a cancel request needs the server to accept it
			first.listen(t, first.addr)
		}
		c := dial(t, s)
		write(t, c, packet(requestCancel, f.key))
		wantClosed(t, c)
		if got := <-f.canceled; got != f.key {
			t.Errorf("cancelled %q, want %q", got, f.key)
		}
	}
	one.Close()
	two.Close()
	eventually(t, "the sessions have ended", func() bool { return s.Stats().Sessions == 0 })
	for _, f := range []*fake{first, second} {
		if s.keys.find([]byte(f.key)) != nil {
			t.Error("a key is left")
		}
	}
}

func TestSession_ServerGone(t *testing.T) {
	t.Run("the server says why", func(t *testing.T) {
		s := serve(t, Options{})
		c := rawSession(t, s)
		admin := connect(t, pgtest.Shared(t).URL("postgres"))
		write(t, c, frame(&pgproto3.Query{String: "SELECT pg_backend_pid()"}))
		_, row := readUntil(t, c, 'D')
		readUntil(t, c, 'Z')
		if _, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend("+string(row[6:])+")"); err != nil {
			t.Fatal(err)
		}
		wantError(t, c, codeAdminShutdown)
	})
	t.Run("the server says nothing", func(t *testing.T) {
		f := fakeServer(t, "key.")
		s := serve(t, Options{Upstream: f.Addr()})
		c := rawSession(t, s)
		write(t, c, frame(&pgproto3.Query{String: "bye"}))
		wantError(t, c, codeConnectionFailure)
	})
	t.Run("in the middle of a message", func(t *testing.T) {
		f := fakeServer(t, "key.")
		s := serve(t, Options{Upstream: f.Addr()})
		c := rawSession(t, s)
		write(t, c, frame(&pgproto3.Query{String: "half"}))
		got, _ := io.ReadAll(c)
		if string(got) != "D\x00\x00\x01\x00ha" {
			t.Errorf("%q: nothing may come in the middle of a message", got)
		}
	})
	t.Run("the server sends nonsense", func(t *testing.T) {
		f := fakeServer(t, "key.")
		s := serve(t, Options{Upstream: f.Addr()})
		c := rawSession(t, s)
		write(t, c, frame(&pgproto3.Query{String: "nonsense"}))
		wantError(t, c, codeProtocolViolation)
	})
}

func TestSession_ServerRestart(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	s := serve(t, Options{Upstream: c.Addr()})
	raw := rawSession(t, s)
	if err := c.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	wantError(t, raw, codeAdminShutdown)
	c.Wait()
	refused := dial(t, s)
	write(t, refused, packet(3<<16, startupBody))
	wantError(t, refused, codeCannotConnect)
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	testQueries(t, connect(t, proxyURL(s, "postgres")))
}

func TestSession_ClientGoneEndsTheServersSession(t *testing.T) {
	for name, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{Judge: judge, DepartTimeout: time.Millisecond})
			c := rawSession(t, s)
			write(t, c, frame(&pgproto3.Query{String: "BEGIN"}))
			readUntil(t, c, 'Z')
			c.Close()
			eventually(t, "the session has ended", func() bool { return s.Stats().Sessions == 0 })
			busy := rawSession(t, s)
			write(t, busy, frame(&pgproto3.Query{String: "SELECT pg_sleep(600)"}))
			busy.Close()
			eventually(t, "the busy session has ended", func() bool { return s.Stats().Sessions == 0 })
		})
	}
}

// Who does not read stops who writes; the proxy takes no more than a buffer full.
func TestSession_SlowReaderStopsTheWriter(t *testing.T) {
	for _, fromServer := range []bool{true, false} {
		client, server := pipeRelay(t)
		from, to, b := client, server, appendFrame(nil, 'd', make([]byte, 1<<20))
		if fromServer {
			from, to = server, client
		}
		wrote := make(chan int)
		go func() {
			n, _ := from.Write(b)
			wrote <- n
		}()
		if _, err := to.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		from.Close() // pipes do not buffer: the relay is still writing what it has read
		if n := <-wrote; n == 0 || n > bufferSize {
			t.Errorf("from server %v: the relay has taken %d bytes", fromServer, n)
		}
		to.Close()
	}
}

// pipeRelay is a session over two unbuffered pipes, past its startup.
func pipeRelay(t *testing.T) (client, server net.Conn) {
	t.Helper()
	s, err := New(Options{Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	client, c := net.Pipe()
	server, u := net.Pipe()
	r := &relay{srv: s, client: c, server: u, cin: newInbuf(c), sin: newInbuf(u),
		scan: serverScan{max: s.o.MaxMessage}, params: newParameters(), ready: true}
	r.cond.L = &r.mu
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.run(context.Background())
	}()
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-ended
	})
	return client, server
}

func TestSession_OneByteAtATimeFromTheServer(t *testing.T) {
	for name, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward), "exchange": judgeFunc(exchangeAndForward)} {
		t.Run(name, func(t *testing.T) {
			via := dribble(t, pgtest.Shared(t).Addr())
			s := serve(t, Options{Upstream: via, Judge: judge})
			conn := connect(t, proxyURL(s, "postgres"))
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
				rows, _ := conn.Query(t.Context(), "SELECT i, repeat('x', 300) FROM generate_series(1, 50) i", mode)
				n, err := pgx.CollectRows(rows, func(pgx.CollectableRow) (int, error) { return 1, nil })
				if err != nil || len(n) != 50 {
					t.Fatal(len(n), err)
				}
			}
			if _, err := conn.Exec(t.Context(), "SELECT 1/0"); err == nil {
				t.Fatal("no error")
			}
		})
	}
}

func frame(m pgproto3.FrontendMessage) []byte {
	b, err := m.Encode(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// A message over the limit ends its session, whichever side it is from, with what to do;
// as much in shorter ones goes through.
func TestMaxMessage(t *testing.T) {
	s := serve(t, Options{MaxMessage: 64 << 10})
	for name, sql := range map[string]string{"query": "SELECT '" + strings.Repeat("x", 100<<10) + "'", "row": "SELECT repeat('x', 100 << 10)"} {
		c := connect(t, proxyURL(s, "postgres"))
		var e *pgconn.PgError
		if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); !errors.As(err, &e) || e.Code != "54000" || !strings.Contains(e.Hint, "max-message") {
			t.Errorf("%s: %v", name, err)
		}
		if !c.IsClosed() {
			t.Errorf("%s: the session goes on", name)
		}
	}
	c := connect(t, proxyURL(s, "postgres"))
	var n int
	if err := c.QueryRow(t.Context(), "SELECT sum(length(a)) FROM (SELECT repeat('x', 1000) AS a FROM generate_series(1, 1000)) x").Scan(&n); err != nil || n != 1e6 {
		t.Errorf("%d, %v", n, err)
	}
	rows, err := c.Query(t.Context(), "SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
	if err != nil {
		t.Fatal(err)
	}
	if all, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(all) != 1000 {
		t.Errorf("%d rows, %v", len(all), err)
	}
}
