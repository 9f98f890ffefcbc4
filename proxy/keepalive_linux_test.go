package proxy

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A peer that is gone without a word is found out on both legs: before a session
// begins, on the loop, and in a process that was given its listener by another.
func TestKeepAlive_IsAskedForOnBothLegs(t *testing.T) {
	for name, o := range underTLS(t) {
		t.Run(name, func(t *testing.T) {
			begin := func(s *Server) {
				t.Helper()
				url := proxyURL(s, "postgres")
				if o.TLS != nil {
					url = strings.Replace(url, "sslmode=disable", "sslmode=require", 1)
				}
				testQueries(t, connect(t, url))
				c := dial(t, s)
				write(t, c, packet(requestSSL, ""))
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			first := serve(t, o)
			begin(first)
			keptAlive(t, first)

			file, err := first.ListenerFile()
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			again := o
			if again.Listener, err = net.FileListener(file); err != nil {
				t.Fatal(err)
			}
			if err := first.Retire(); err != nil {
				t.Fatal(err)
			}
			second := serve(t, again)
			begin(second)
			keptAlive(t, first)
			keptAlive(t, second)
		})
	}
}

// keptAlive checks the one session and the one newcomer of a server.
func keptAlive(t *testing.T, s *Server) {
	t.Helper()
	conns := map[string]net.Conn{}
	s.newcomers.mu.Lock()
	for e := s.newcomers.here.Front(); e != nil; e = e.Next() {
		conns["newcomer"] = e.Value.(*newcomer).Conn
	}
	s.newcomers.mu.Unlock()
	s.mu.Lock()
	for r := range s.relays {
		r.mu.Lock()
		conns["client"], conns["server"] = r.client, r.server
		if r.loop == nil {
			t.Error("the session is not on the loop")
		}
		r.mu.Unlock()
	}
	s.mu.Unlock()
	if len(conns) != 3 {
		t.Fatalf("%d connections, want a session's two and a newcomer's", len(conns))
	}
	for leg, c := range conns {
		for option, want := range map[[2]int]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:   1,
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}:  60,
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}: 15,
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}:   4,
		} {
			if got := socketOption(t, c, option); got != want {
				t.Errorf("%s: option %v is %d, want %d", leg, option, got, want)
			}
		}
	}
}

func socketOption(t *testing.T, c net.Conn, option [2]int) (value int) {
	t.Helper()
	var err error
	get := func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), option[0], option[1]) }
	if s, ok := c.(*sock); ok {
		get(uintptr(s.fd))
	} else if raw, rawErr := c.(syscall.Conn).SyscallConn(); rawErr != nil {
		t.Fatal(rawErr)
	} else if rawErr := raw.Control(get); rawErr != nil {
		t.Fatal(rawErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}
