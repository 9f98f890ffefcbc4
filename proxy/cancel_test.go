package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// Since protocol 3.2 the server gives out keys of more than four bytes.
func TestCancel_ByALongKey(t *testing.T) {
	pgtest.Since(t, 18, "protocol 3.2")
	for way, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
		t.Run(way, func(t *testing.T) {
			s := serve(t, Options{Judge: judge})
			c, watcher := dial(t, s), connect(t, pgtest.Shared(t).URL("postgres"))
			write(t, c, packet(3<<16|2, startupBody))
			_, key := readUntil(t, c, 'K')
			readUntil(t, c, 'Z')
			if len(key) <= 8 {
				t.Fatalf("process ID and key are %d bytes", len(key))
			}
			write(t, c, frame(&pgproto3.Query{String: "SELECT pg_sleep(600)"}))
			cancel := func(key []byte) {
				other := dial(t, s)
				write(t, other, packet(requestCancel, string(key)))
				wantClosed(t, other)
			}
			eventually(t, "the query runs", func() bool { return sleeps(t, watcher, key) })
			wrong := append([]byte(nil), key...)
			wrong[len(wrong)-1]++
			cancel(key[:8])
			cancel(wrong)
			if !sleeps(t, watcher, key) {
				t.Error("canceled by a part of the key, or another one")
			}
			cancel(key)
			if _, body := readUntil(t, c, 'E'); !bytes.Contains(body, []byte("C57014\x00")) {
				t.Errorf("%q", body)
			}
			if s.keys.find(key) == nil {
				t.Error("the proxy has not kept the key")
			}
		})
	}
}

// A server need not give out a key: then there is none to pass on, and nothing to cancel.
func TestCancel_TheServerGivesNoKey(t *testing.T) {
	for way, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
		t.Run(way, func(t *testing.T) {
			f := fakeServer(t, "")
			s := serve(t, Options{Upstream: f.Addr(), Judge: judge})
			c := dial(t, s)
			write(t, c, packet(3<<16, startupBody))
			if types, _ := readUntil(t, c, 'Z'); types != "RZ" {
				t.Errorf("the server says R and Z, the proxy %s", types)
			}
			if s.keys.find(nil) != nil || s.keys.find([]byte{}) != nil {
				t.Error("the session can be found without a key")
			}
			write(t, c, frame(&pgproto3.Query{String: "bye"}))
			wantError(t, c, codeConnectionFailure)
		})
	}
}

// Many requests for one session at once take the server a few: those that wait are one.
func TestCancel_AStormOfOneSession(t *testing.T) {
	f := fakeServer(t, "the key!")
	s := serve(t, Options{Upstream: "postgres://" + f.Addr() + "/?sslmode=disable"})
	session := rawSession(t, s)
	defer session.Close()
	const n = 200
	var conns []net.Conn
	for range n {
		c := dial(t, s)
		write(t, c, packet(requestCancel, f.key))
		conns = append(conns, c)
	}
	// The fake has kept one in mind, and waits with the next to be asked.
	eventually(t, "all others wait", func() bool { return strings.Count(stacks(), "(*canceling).pass(") >= n-1 })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, c := range conns {
			wantClosed(t, c)
		}
	}()
	for asked := 0; ; asked++ {
		select {
		case got := <-f.canceled:
			if got != f.key {
				t.Errorf("canceled %q", got)
			}
			continue
		case <-ended:
		}
		if asked < 2 || asked > 4 {
			t.Errorf("the server was asked %d times", asked)
		}
		return
	}
}

// Requests for sessions of other proxies, all at once: each gets there, whoever else hangs.
func TestCancel_AStormOfOtherProxies(t *testing.T) {
	hung, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	f := fakeServer(t, "")
	s := serve(t, Options{Judge: deafJudge{}, Upstream: "postgres://" + hung.Addr().String() + "," + f.Addr() + "/?sslmode=disable"})
	const n = 4 * maxElsewhere
	for i := range n {
		write(t, dial(t, s), packet(requestCancel, fmt.Sprintf("%08d", i)))
	}
	eventually(t, "all are there", func() bool { return s.strays.Load() == n })
	got := map[string]bool{}
	for range n {
		got[<-f.canceled] = true
	}
	if len(got) != n {
		t.Errorf("%d of %d", len(got), n)
	}
}

// sleeps reports whether the session whose key this is runs pg_sleep.
func sleeps(t *testing.T, watcher *pgx.Conn, key []byte) bool {
	t.Helper()
	var n int
	err := watcher.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", binary.BigEndian.Uint32(key)).Scan(&n)
	return err == nil && n == 1
}
