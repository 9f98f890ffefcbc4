package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
)

// stage is how far a client goes before it says nothing more.
type stage struct {
	name string
	goes func(t *testing.T, c net.Conn)
}

// stages are all before a session is ready. The server asks u_md5 and u_scram for a password.
func stages() []stage {
	says := func(parts ...[]byte) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) {
			t.Helper()
			for i, b := range parts {
				if write(t, c, b); i < len(parts)-1 { // a request, which is answered
					if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	answered := func(b []byte) func(*testing.T, net.Conn) { return says(b, nil) }
	asked := func(user string, then ...byte) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) {
			t.Helper()
			write(t, c, packet(3<<16, "user\x00"+user+"\x00database\x00postgres\x00\x00"))
			readUntil(t, c, 'R')
			write(t, c, then)
		}
	}
	underTLS := func(negotiate bool, then []byte) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) {
			t.Helper()
			if negotiate {
				answered(packet(requestSSL, ""))(t, c)
			}
			s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}})
			if err := s.Handshake(); err != nil {
				t.Fatal(err)
			}
			write(t, s, then)
		}
	}
	half := packet(3<<16, startupBody)[:20]
	hello := []byte{tlsRecordHandshake, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}
	return []stage{
		{"nothing said", says()},
		{"half a length", says([]byte{0, 0})},
		{"half a startup packet", says(half)},
		{"half a cancel request", says(packet(requestCancel, "12345678")[:10])},
		{"after SSLRequest", answered(packet(requestSSL, ""))},
		{"half a ClientHello", says(packet(requestSSL, ""), hello)},
		{"half a ClientHello, direct TLS", says(hello)},
		{"after GSSENCRequest", answered(packet(requestGSS, ""))},
		{"after GSSENCRequest and SSLRequest", says(packet(requestGSS, ""), packet(requestSSL, ""), nil)},
		{"half a startup packet after GSSENCRequest", says(packet(requestGSS, ""), half)},
		{"under TLS", underTLS(true, nil)},
		{"half a startup packet under TLS", underTLS(true, half)},
		{"half a startup packet under direct TLS", underTLS(false, half)},
		{"asked for a password", asked("u_md5")},
		{"half a password", asked("u_md5", 'p', 0, 0, 0, 40, 'm', 'd', '5')},
		{"asked for SASL", asked("u_scram")},
	}
}

// Who stops at any stage before its session is ready keeps nobody out, and is
// gone after StartupTimeout, with its place and what it had at the server.
func TestStartup_StallsAtEveryStage(t *testing.T) {
	a := testcert.New(t)
	c, _, _ := authCluster(t, a)
	cert, key := a.Issue(t, "proxy")
	own := mustLoad(t, cert, key, "")
	here := func(s *Server) (newcomers, sessions int) {
		s.newcomers.mu.Lock()
		defer s.newcomers.mu.Unlock()
		return s.newcomers.here.Len(), int(s.Stats().Sessions)
	}
	all := stages()
	stalled := func(t *testing.T, s *Server) []net.Conn {
		conns := make([]net.Conn, len(all))
		for i, at := range all {
			conns[i] = dial(t, s)
			at.goes(t, conns[i])
		}
		return conns
	}
	t.Run("others are served", func(t *testing.T) {
		s := serve(t, Options{Upstream: c.URL("postgres"), TLS: own, MaxSessions: 3 + 1, MaxPerUser: 1})
		stalled(t, s)
		testQueries(t, connect(t, proxyURL(s, "postgres")))
		if waiting, sessions := here(s); waiting != len(all)-3 || sessions != 3+1 {
			t.Errorf("%d wait before their startup packet, %d behind it: of %d some were not stalled", waiting, sessions, len(all))
		}
	})
	t.Run("the time is bounded", func(t *testing.T) {
		direct := connect(t, c.URL("postgres"))
		s := serve(t, Options{Upstream: c.URL("postgres"), TLS: own, StartupTimeout: 3 * time.Second, MaxSessions: 3})
		for i, conn := range stalled(t, s) {
			said, err := io.ReadAll(conn)
			if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				t.Errorf("%s: the connection is still open", all[i].name)
			}
			if isAuth := strings.HasPrefix(all[i].name, "asked") || all[i].name == "half a password"; isAuth != bytes.Contains(said, []byte("C"+codeConnectionFailure)) {
				t.Errorf("%s: it was told %q", all[i].name, said)
			}
		}
		eventually(t, "their places are free", func() bool {
			waiting, sessions := here(s)
			return waiting == 0 && sessions == 0
		})
		eventually(t, "the server is left alone", func() bool {
			return others(t, direct, "true") == 0
		})
		testQueries(t, connect(t, proxyURL(s, "postgres")))
	})
}

// A newcomer that has to make room for others is told so, but amid a TLS handshake.
func TestStartup_WhoIsSentAwayIsTold(t *testing.T) {
	cert, key := testcert.New(t).Issue(t, "proxy")
	s := serve(t, Options{TLS: mustLoad(t, cert, key, "")})
	here := []net.Conn{dial(t, s), dial(t, s), dial(t, s), dial(t, s)}
	write(t, here[1], packet(3<<16, startupBody)[:20])
	write(t, here[2], packet(requestSSL, ""))
	if _, err := io.ReadFull(here[2], make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	under := tls.Client(here[3], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}})
	if err := under.Handshake(); err != nil {
		t.Fatal(err)
	}
	s.newcomers.mu.Lock()
	s.newcomers.places = func() int { return len(here) }
	s.newcomers.mu.Unlock()
	for range here {
		dial(t, s)
	}
	wantError(t, here[0], codeTooManyConnections)
	wantError(t, here[1], codeTooManyConnections)
	wantClosed(t, here[2])
	wantError(t, under, codeTooManyConnections)
	if n := s.Stats().Refused; n != uint64(len(here)) {
		t.Errorf("%d were refused, want %d", n, len(here))
	}
}

// A session that stops in the middle takes a bounded memory, whatever it has announced
// or the server has for it; others are served, and it ends with its client.
func TestSession_Stalls(t *testing.T) {
	const sessions = 8
	url := pgtest.Shared(t).URL(pgtest.Database(t, "CREATE TABLE stalls (t text)"))
	direct := connect(t, url)
	database := direct.Config().Database
	half := func(b []byte) []byte { return b[:len(b)/2] }
	for name, stall := range map[string]struct {
		begin, then []byte
		waits       string // what the server waits for
	}{
		"half a Query":               {nil, half(query("SELECT '" + strings.Repeat("x", 100_000) + "'")), "ClientRead"},
		"a Query of 256 MiB":         {nil, []byte{'Q', 0x10, 0, 0, 0, 'S'}, "ClientRead"},
		"half a Parse":               {nil, half(prepared("SELECT '" + strings.Repeat("x", 100_000) + "'")), "ClientRead"},
		"a Parse without Sync":       {nil, prepared("SELECT 1"), "ClientRead"},
		"COPY in":                    {query("COPY stalls FROM STDIN"), nil, "ClientRead"},
		"half a CopyData":            {query("COPY stalls FROM STDIN"), half(frame(&pgproto3.CopyData{Data: make([]byte, 100_000)})), "ClientRead"},
		"an answer that is not read": {nil, query("SELECT repeat('x', 10000) FROM generate_series(1, 1000000)"), "ClientWrite"},
		"COPY out that is not read":  {nil, query("COPY (SELECT repeat('x', 10000) FROM generate_series(1, 1000000)) TO STDOUT"), "ClientWrite"},
	} {
		for way, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
			t.Run(name+", "+way, func(t *testing.T) {
				s := serve(t, Options{Upstream: url, Judge: judge, DepartTimeout: time.Millisecond})
				bystander := connect(t, proxyURL(s, database))
				testQueries(t, bystander)
				before := heap()
				conns := make([]net.Conn, sessions)
				for i := range conns {
					conns[i] = rawSessionTo(t, s, database)
					if stall.begin != nil {
						write(t, conns[i], stall.begin)
						readUntil(t, conns[i], 'G')
					}
					write(t, conns[i], stall.then)
				}
				want := sessions
				if stall.waits == "ClientRead" {
					want++ // the bystander's
				}
				eventually(t, "the server waits for the clients", func() bool { return others(t, direct, "wait_event = '"+stall.waits+"'") >= want })
				testQueries(t, bystander)
				testQueries(t, connect(t, proxyURL(s, database)))
				if grown := heap() - before; grown > 64<<20 {
					t.Errorf("%d sessions take %d KiB", sessions, grown>>10)
				}
				if n := s.Stats().Sessions; n != sessions+2 {
					t.Errorf("%d sessions, want %d", n, sessions+2)
				}
				for _, c := range conns {
					c.Close()
				}
				eventually(t, "they end with their clients", func() bool { return s.Stats().Sessions == 2 })
				eventually(t, "and at the server", func() bool { return others(t, direct, "true") == 2 })
			})
		}
	}
}

// others counts the server's other sessions in c's database, where a condition holds.
func others(t *testing.T, c *pgx.Conn, where string) (n int) {
	t.Helper()
	if err := c.QueryRow(t.Context(), "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND "+where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// heap is what is in use, in bytes.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
