package proxy

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/budget"
)

// Where there are more newcomers than places, who keeps the proxy waiting has to go,
// and not who waits for it.
func TestNewcomers_WhoMakesRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type here struct {
		what   string
		state  int32
		busy   bool // the proxy is, with what was sent
		unread bool
		young  bool
	}
	quiet, away, cancel := here{what: "silent"}, here{what: "sent away before", state: stateSentAway}, here{what: "cancel", state: stateCancel, busy: true, unread: true}
	sent, taken, read := here{what: "not yet read", unread: true}, here{what: "under way", busy: true}, here{what: "not yet answered", state: stateStartup, busy: true}
	young := here{what: "young", young: true}
	for name, tt := range map[string]struct {
		here []here // the oldest first
		goes int    // who; -1: nobody
		wait time.Duration
	}{
		"the oldest":               {[]here{quiet, quiet, young}, 0, 0},
		"not who has sent":         {[]here{sent, sent, quiet, quiet}, 2, 0},
		"not who was read":         {[]here{read, sent, quiet}, 2, 0},
		"not who is under way":     {[]here{taken, quiet}, 1, 0},
		"nobody twice":             {[]here{away, quiet}, 1, 0},
		"whose request takes long": {[]here{read, cancel, quiet}, 1, 0},
		"none before its time":     {[]here{young, young}, -1, newcomerGrace},
		"nor if the others wait":   {[]here{sent, young}, -1, hurryPause},
		"nobody, where all do":     {[]here{sent, read}, -1, hurryPause},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNewcomers(func() int { return len(tt.here) })
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
				p, _ := n.tryAdmit(conns[i])
				p.conn().reading.Store(!a.busy)
				p.at.Value.(*newcomer).state.Store(a.state)
				if !a.young {
					p.at.Value.(*newcomer).since = time.Now().Add(-2 * newcomerGrace)
				}
			}
			p, wait := n.tryAdmit(nil)
			if tt.goes >= 0 && tt.here[tt.goes].state == stateCancel {
				if p.at == nil || !closed(conns[tt.goes]) {
					t.Error("a cancel request keeps its place")
				}
				return
			}
			if p.at != nil || wait <= 0 || tt.goes < 0 && wait > tt.wait {
				t.Errorf("a place, or a wait of %v", wait)
			}
			at := n.here.Front()
			for i, a := range tt.here {
				was := at.Value.(*newcomer)
				if told := was.state.Load() == stateSentAway && a.state != stateSentAway; told != (i == tt.goes) || told != closed(was.Conn) {
					t.Errorf("%s, number %d: sent away %v", a.what, i, told)
				}
				at = at.Next()
			}
		})
	}
}

// Newcomers may have the files that no session needs yet, as far as memory goes.
func TestNewcomers_Places(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		files, sessions int
		memory          int64
		want            int
	}{
		{files: 60, want: 20},
		{files: 1024, want: 448},
		{files: 1024, sessions: 400, want: 64},
		{files: 1 << 20, want: maxNewcomers},
		{files: 1 << 20, memory: 64 * mib, want: 64 * mib / newcomerMemory},
	} {
		s := &Server{files: filesOf(tt.files)}
		s.sessions.Store(int64(tt.sessions))
		if tt.memory > 0 {
			s.o.Memory = budget.New(tt.memory)
		}
		if n := s.places(); n != tt.want || n+2*tt.sessions >= tt.files {
			t.Errorf("%+v: %d places", tt, n)
		}
	}
}

// closed reports whether a read would fail now.
func closed(c net.Conn) bool {
	raw, err := c.(syscall.Conn).SyscallConn()
	return err != nil || raw.Read(func(uintptr) bool { return true }) != nil
}
