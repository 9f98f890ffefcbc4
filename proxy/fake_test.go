package proxy

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// fake is a server that trusts everyone, gives out one cancel key, and does
// what no real server would be made to do.
type fake struct {
	l        net.Listener
	addr     string
	key      string // process ID and secret; "": it gives out none
	canceled chan string
	wg       sync.WaitGroup
}

func fakeServer(t *testing.T, key string) *fake {
	t.Helper()
	f := &fake{key: key, canceled: make(chan string, 1)}
	t.Cleanup(f.wg.Wait) // after the listeners' own
	f.listen(t, "127.0.0.1:0")
	f.addr = f.l.Addr().String()
	return f
}

func (f *fake) Addr() string { return f.addr }

func (f *fake) listen(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f.l = l
	t.Cleanup(func() { l.Close() })
	f.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() {
				defer c.Close()
				f.serve(c)
			})
		}
	})
}

func (f *fake) serve(c net.Conn) {
	var p []byte
	for {
		header := make([]byte, 8)
		if _, err := io.ReadFull(c, header); err != nil {
			return
		}
		p = make([]byte, binary.BigEndian.Uint32(header)-8)
		io.ReadFull(c, p)
		code := binary.BigEndian.Uint32(header[4:])
		if code == requestCancel {
			f.canceled <- string(p)
			return
		}
		if code>>16 == 3 {
			break
		}
		c.Write([]byte{'N'})
	}
	c.Write(appendFrame(nil, 'R', []byte{0, 0, 0, 0}))
	if f.key != "" {
		c.Write(appendFrame(nil, 'K', []byte(f.key)))
	}
	c.Write(appendFrame(nil, 'Z', []byte{'I'}))
	for {
		header := make([]byte, headerLen)
		if _, err := io.ReadFull(c, header); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		io.ReadFull(c, body)
		switch strings.TrimRight(string(body), "\x00") {
		case "bye":
			return
		case "half":
			c.Write([]byte("D\x00\x00\x01\x00ha"))
			return
		case "nonsense":
			c.Write([]byte("D\x00\x00\x00\x01"))
			io.Copy(io.Discard, c)
			return
		}
	}
}

// dribble relays to addr and gives the server's answers on in single bytes.
func dribble(t *testing.T, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", addr)
			if err != nil {
				c.Close()
				return
			}
			wg.Go(func() { io.Copy(s, c); s.Close() })
			wg.Go(func() {
				defer c.Close()
				b := make([]byte, 1)
				for {
					if _, err := s.Read(b); err != nil {
						return
					}
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}
