package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
)

func packet(code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

const startupBody = "user\x00postgres\x00database\x00postgres\x00\x00"

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial(s.Addr().Network(), s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// readUntil reads whole messages up to one of the given type; it returns their
// types and the last one's body.
func readUntil(t *testing.T, c io.Reader, last byte) (types string, body []byte) {
	t.Helper()
	var seen strings.Builder
	for {
		header := make([]byte, headerLen)
		if _, err := io.ReadFull(c, header); err != nil {
			t.Fatalf("%v, waiting for %q after %q", err, last, seen.String())
		}
		body = make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(c, body); err != nil {
			t.Fatal(err)
		}
		seen.WriteByte(header[0])
		if header[0] == last {
			return seen.String(), body
		}
	}
}

// wantError reads to the end of the connection: the last message is an error with this SQLSTATE.
func wantError(t *testing.T, c net.Conn, code string) {
	t.Helper()
	_, body := readUntil(t, c, 'E')
	if got := errorField(body, 'C'); got != code {
		t.Errorf("error %s, want %s: %q", got, code, body)
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("after the error: %q, %v", rest, err)
	}
}

// wantClosed: the connection is closed without a word.
func wantClosed(t *testing.T, c net.Conn) {
	t.Helper()
	b, err := io.ReadAll(c)
	if len(b) > 0 || errors.Is(err, net.ErrClosed) {
		t.Errorf("got %q, %v", b, err)
	}
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		t.Error("the connection is still open")
	}
}

// Who is not ready in time is told so, whoever was slow, and at whatever stage.
func TestStartup_NotReadyInTime(t *testing.T) {
	for stage, said := range map[string][]byte{
		"nothing said":         nil,
		"asked for a password": appendFrame(nil, 'R', []byte{0, 0, 0, 3}),
		"authenticated":        appendFrame(appendFrame(nil, 'R', []byte{0, 0, 0, 0}), 'K', []byte("12345678")),
	} {
		t.Run(stage, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var server sync.WaitGroup
			server.Go(func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				io.CopyN(io.Discard, c, int64(len(packet(3<<16, startupBody))))
				c.Write(said)
				io.Copy(io.Discard, c)
			})
			t.Cleanup(func() {
				l.Close()
				server.Wait()
			})
			s := serve(t, Options{Upstream: "postgres://" + l.Addr().String() + "/?sslmode=disable", StartupTimeout: 50 * time.Millisecond})
			c := dial(t, s)
			write(t, c, packet(3<<16, startupBody))
			code := codeConnectionFailure
			if said == nil {
				code = codeCannotConnect
			}
			wantError(t, c, code)
		})
	}
}

func TestStartup_OneByteAtATime(t *testing.T) {
	s := serve(t, Options{})
	c := dial(t, s)
	query, _ := (&pgproto3.Query{String: "SELECT 1"}).Encode(nil)
	for _, part := range [][]byte{packet(requestGSS, ""), packet(requestSSL, ""), packet(3<<16, startupBody), query} {
		for i := range part {
			write(t, c, part[i:i+1])
		}
		switch {
		case len(part) == 8:
			answer := make([]byte, 1)
			if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'N' {
				t.Fatal(answer, err)
			}
		default:
			readUntil(t, c, 'Z')
		}
	}
}

func TestStartup_RefusesWhatIsMalformed(t *testing.T) {
	s := serve(t, Options{})
	for name, tt := range map[string]struct {
		send []byte
		code string
	}{
		"too long":              {[]byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}, "08P01"},
		"just too long":         {binary.BigEndian.AppendUint32(nil, maxStartup+1), ""},
		"too short":             {[]byte{0, 0, 0, 4, 0, 3, 0, 0}, "08P01"},
		"no terminator":         {packet(3<<16, "user\x00postgres\x00"), "08P01"},
		"a name without value":  {packet(3<<16, "user\x00\x00"), "08P01"},
		"protocol 2":            {packet(2<<16, startupBody), "0A000"},
		"unknown request":       {packet(1234<<16|1, ""), "0A000"},
		"a third time GSS":      {append(packet(requestGSS, ""), packet(requestGSS, "")...), "-"},
		"cancel without key":    {packet(requestCancel, "1234"), ""},
		"cancel, key too long":  {packet(requestCancel, strings.Repeat("k", 4+257)), ""},
		"cancel, key not known": {packet(requestCancel, "12345678"), ""},
		"HTTP":                  {[]byte("GET / HTTP/1.1\r\n\r\n"), "08P01"},
		"TLS without TLS":       {[]byte{0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			write(t, c, tt.send)
			switch tt.code {
			case "":
				c.(*net.TCPConn).CloseWrite()
				wantClosed(t, c)
			case "-":
				io.ReadFull(c, make([]byte, 1))
				wantError(t, c, "0A000")
			default:
				wantError(t, c, tt.code)
			}
		})
	}
	if n := s.Stats().Sessions; n != 0 {
		t.Error("sessions left:", n)
	}
}

// A load balancer that is configured for more than PostgreSQL is told of in the log.
func TestStartup_ProxyProtocolIsNamed(t *testing.T) {
	for header, named := range map[string]bool{
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 6432\r\n": true, "\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c": true, "GET / HTTP/1.1\r\n\r\n": false,
	} {
		client, server := net.Pipe()
		go func() {
			_, _ = client.Write([]byte(header)) // of which 8 bytes are read
		}()
		_, err := readPacket(server)
		client.Close()
		var said *clientError
		if !errors.As(err, &said) || said.message != "invalid length of startup packet" || strings.Contains(err.Error(), "send-proxy") != named {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// CVE-2021-23222 and its kind: what came in the clear is not taken for what came under TLS.
func TestStartup_NothingSmuggledBehindSSLRequest(t *testing.T) {
	a := testcert.New(t)
	cert, key := a.Issue(t, "proxy")
	config, err := LoadTLS(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{TLS: config})
	c := dial(t, s)
	write(t, c, append(packet(requestSSL, ""), packet(3<<16, startupBody)...))
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'S' {
		t.Fatal(answer, err)
	}
	if err := tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Fatal("a session began behind smuggled bytes")
	}
	t.Run("direct TLS wants ALPN", func(t *testing.T) {
		c := tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.Write(packet(3<<16, startupBody))
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("a session without ALPN began", n)
		}
	})
}

func TestStartup_ProtocolVersionsAreTheServersMatter(t *testing.T) {
	s := serve(t, Options{})
	for _, version := range []uint32{3<<16 | 2, 3<<16 | 9999} {
		c := dial(t, s)
		write(t, c, packet(version, "_pq_.command_tag\x00x\x00"+startupBody))
		types, _ := readUntil(t, c, 'Z') // PostgreSQL 15 knows neither: NegotiateProtocolVersion
		if !strings.HasPrefix(types, "vR") {
			t.Errorf("version %x: %s", version, types)
		}
	}
}

func TestStartup_TimesOut(t *testing.T) {
	s := serve(t, Options{StartupTimeout: time.Millisecond})
	wantClosed(t, dial(t, s))
}

func TestStartup_UnreachableServerIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := serve(t, Options{Upstream: "postgres://someone:secret@" + addr})
	c := dial(t, s)
	write(t, c, packet(3<<16, startupBody))
	_, body := readUntil(t, c, 'E')
	if errorField(body, 'C') != codeCannotConnect || !bytes.Contains(body, []byte(addr)) || bytes.Contains(body, []byte("secret")) {
		t.Errorf("%q", body)
	}
	t.Run("the next host is tried", func(t *testing.T) {
		s := serve(t, Options{Upstream: "postgres://" + addr + "," + pgtest.Shared(t).Addr() + "/"})
		testQueries(t, connect(t, proxyURL(s, "postgres")))
	})
	t.Run("so it is where one takes connections and says nothing", func(t *testing.T) {
		hung, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer hung.Close()
		s := serve(t, Options{Upstream: "postgres://" + hung.Addr().String() + "," + pgtest.Shared(t).Addr() + "/", ConnectTimeout: time.Second})
		testQueries(t, connect(t, proxyURL(s, "postgres")))
	})
}

func TestStartup_TooManySessions(t *testing.T) {
	for _, o := range []Options{{MaxSessions: 1}, {Memory: budget.New(2*sessionFloor - 1)}} {
		s := serve(t, o)
		first := connect(t, proxyURL(s, "postgres"))
		c := dial(t, s)
		write(t, c, packet(3<<16, startupBody))
		wantError(t, c, codeTooManyConnections)
		first.Close(t.Context())
		eventually(t, "the session has ended", func() bool { return s.Stats().Sessions == 0 })
		connect(t, proxyURL(s, "postgres"))
	}
}

func TestStartup_TooManySessionsOfOneUserOrNetwork(t *testing.T) {
	networks := map[netip.Prefix]int{netip.MustParsePrefix("127.0.0.0/8"): 1, netip.MustParsePrefix("192.0.2.0/24"): 0, netip.MustParsePrefix("::/0"): 0, netip.MustParsePrefix("0.0.0.0/0"): 5}
	for name, o := range map[string]Options{"for one user": {MaxPerUser: 1}, "from one address": {MaxPerAddress: 1}, "from 127.0.0.0/8": {MaxPerNetwork: networks}} {
		s := serve(t, o)
		first := connect(t, proxyURL(s, "postgres"))
		c := dial(t, s)
		write(t, c, packet(3<<16, startupBody))
		if _, body := readUntil(t, c, 'E'); errorField(body, 'C') != codeTooManyConnections || !strings.Contains(errorField(body, 'H'), "limit of 1 sessions "+name) {
			t.Errorf("%q", body)
		}
		if o.MaxPerUser > 0 { // another user's is the server's to judge
			c := dial(t, s)
			write(t, c, packet(3<<16, "user\x00nobody\x00database\x00postgres\x00\x00"))
			wantError(t, c, "28000")
		}
		first.Close(t.Context())
		eventually(t, "the session has ended", func() bool { return s.Stats().Sessions == 0 })
		connect(t, proxyURL(s, "postgres"))
	}
}

// Who has not shown yet that he is the user takes none of the user's places.
func TestStartup_TooManySessionsOfOneUserWhoHaveLoggedIn(t *testing.T) {
	c, _, _ := authCluster(t, testcert.New(t))
	s := serve(t, Options{Upstream: c.URL("postgres"), MaxPerUser: 1})
	var all []net.Conn
	begin := func() net.Conn {
		c := dial(t, s)
		write(t, c, packet(3<<16, "user\x00u_password\x00database\x00postgres\x00\x00"))
		return c
	}
	for range 3 {
		c := begin()
		readUntil(t, c, 'R')
		all = append(all, c)
	}
	password := frame(&pgproto3.PasswordMessage{Password: "secret"})
	write(t, all[1], password)
	readUntil(t, all[1], 'Z')
	write(t, all[0], password)
	wantError(t, all[0], codeTooManyConnections)
	wantError(t, begin(), codeTooManyConnections)
	all[1].Close()
	eventually(t, "the sessions have ended", func() bool { return s.Stats().Sessions == 1 })
	write(t, all[2], password)
	readUntil(t, all[2], 'Z')
}

func TestStartup_ServerErrorsAreRelayed(t *testing.T) {
	s := serve(t, Options{})
	c := dial(t, s)
	write(t, c, packet(3<<16, "user\x00postgres\x00database\x00nonesuch\x00\x00"))
	wantError(t, c, "3D000")
}

func TestNew_RefusesBadOptions(t *testing.T) {
	good := Options{Listen: "127.0.0.1:0", Upstream: "127.0.0.1:5432"}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no listen":       func(o *Options) { o.Listen = "" },
		"no port":         func(o *Options) { o.Listen = "localhost" },
		"no upstream":     func(o *Options) { o.Upstream = "" },
		"bad sslmode":     func(o *Options) { o.Upstream = "postgres://user:hidden@h/?sslmode=maybe" },
		"load balancing":  func(o *Options) { o.Upstream = "postgres://h1,h2/?load_balance_hosts=evenly" },
		"TLS without any": func(o *Options) { o.RequireTLS = true },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Error(name, "was accepted")
		} else if strings.Contains(err.Error(), "hidden") {
			t.Error("a password in the error:", err)
		}
	}
}
