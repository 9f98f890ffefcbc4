package proxy

import (
	"net"
	"testing"
	"time"
)

// Where there are more newcomers than places, who keeps the proxy waiting has to go,
// and not who waits for it.
func TestNewcomers_WhoMakesRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type arrival struct {
		what   string
		said   int32
		unread bool
		young  bool
	}
	quiet, cancel := arrival{what: "silent"}, arrival{what: "cancel", said: saidCancel, unread: true}
	sent, read := arrival{what: "not yet read", unread: true}, arrival{what: "not yet answered", said: saidStartup}
	young := arrival{what: "young", young: true}
	for name, tt := range map[string]struct {
		here []arrival // the oldest first
		goes int       // who; -1: nobody
		wait time.Duration
	}{
		"the oldest":               {[]arrival{quiet, quiet, young}, 0, 0},
		"not who has sent":         {[]arrival{sent, sent, quiet, quiet}, 2, 0},
		"not who was read":         {[]arrival{read, sent, quiet}, 2, 0},
		"whose request takes long": {[]arrival{read, cancel, quiet}, 1, 0},
		"none before its time":     {[]arrival{young, young}, -1, newcomerGrace},
		"nor if the others wait":   {[]arrival{sent, young}, -1, hurryPause},
		"nobody, where all do":     {[]arrival{sent, read}, -1, hurryPause},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNewcomers(len(tt.here))
			conns := make([]net.Conn, len(tt.here))
			for i, a := range tt.here {
				client, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				if conns[i], err = l.Accept(); err != nil {
					t.Fatal(err)
				}
				defer conns[i].Close()
				if a.unread {
					write(t, client, []byte{0})
					eventually(t, "it has come", func() bool { return queued(conns[i]) })
				}
				p, _, _ := n.tryAdmit(conns[i])
				p.says(a.said)
				if !a.young {
					p.at.Value.(*newcomer).since = time.Now().Add(-2 * newcomerGrace)
				}
			}
			p, removed, wait := n.tryAdmit(nil)
			if tt.goes < 0 {
				if p.at != nil || removed != nil || wait <= 0 || wait > tt.wait {
					t.Errorf("%v was removed, or there is a wait of %v", removed, wait)
				}
				return
			}
			if removed != conns[tt.goes] || p.at == nil {
				t.Errorf("%v was removed, want %s, number %d", removed, tt.here[tt.goes].what, tt.goes)
			}
		})
	}
}
