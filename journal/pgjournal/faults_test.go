package pgjournal_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/pgjournal"
)

// cutter forwards connections to a server, and when told so ends one in place of
// passing an answer on: the server has done what it was asked.
type cutter struct {
	listener net.Listener
	server   string
	cut      atomic.Int32 // how many answers are still to be lost
	lost     atomic.Int32
	done     sync.WaitGroup
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, server: server}
	c.done.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.done.Go(func() { c.forward(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.done.Wait()
	})
	return c
}

func (c *cutter) forward(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var up sync.WaitGroup
	var commits atomic.Bool // what the client sent last commits: a Bind outside a transaction, or COMMIT
	up.Go(func() {
		defer server.(*net.TCPConn).CloseWrite()
		block := false
		for buffer := make([]byte, 1<<20); ; {
			n, err := client.Read(buffer)
			if err != nil {
				return
			}
			switch said := buffer[:n]; {
			case said[0] == 'Q':
				block = bytes.HasPrefix(said[5:], []byte("begin"))
				commits.Store(bytes.HasPrefix(said[5:], []byte("commit")))
			default:
				commits.Store(said[0] == 'B' && !block)
			}
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	defer up.Wait()
	defer client.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if c.cut.Load() > 0 && commits.Load() {
			c.cut.Add(-1)
			c.lost.Add(1)
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *cutter) through(url string) string {
	return strings.Replace(url, c.server, c.listener.Addr().String(), 1)
}

func openAt(t *testing.T, url string, o journal.Options) journal.Journal {
	t.Helper()
	j, err := pgjournal.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func newEntry() *journal.Entry {
	now := time.Now().UTC()
	return &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Database: "shop", Outcome: journal.InDoubt,
		Tables: []journal.Table{{Schema: "public", Name: "orders", Rows: 2, Via: journal.Direct, KeysCaptured: true}}}
}

func twoKeys(t *testing.T) *journal.Keys {
	t.Helper()
	k := journal.NewKeys(t.TempDir())
	t.Cleanup(func() { k.Close() })
	for i := range 2 {
		text := fmt.Sprint(i)
		if err := k.Add(journal.Row{Values: []*string{&text}}); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// The answer to a write is lost, once or twice in a row: it is stored once, and
// the writer is told so.
func TestWrite_AnswerLost(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	c := newCutter(t, pgtest.Shared(t).Addr())
	j := openAt(t, c.through(url), journal.Options{})
	now := time.Now()
	a := &journal.Allowance{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour), Rows: 10, Once: true}
	h := &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour)}
	e := newEntry()
	for times := range int32(2) {
		for _, write := range []struct {
			name string
			do   func() error
		}{
			{"Append", func() error { e = newEntry(); return j.Append(t.Context(), e, twoKeys(t)) }},
			{"Settle", func() error { return j.Settle(t.Context(), e.ID, journal.Committed) }},
			{"Grant", func() error { a.ID = journal.NewID(now); return j.Grant(t.Context(), a) }},
			{"Use", func() error { return j.Use(t.Context(), a.ID, "u", 7, now) }},
			{"Unuse", func() error { return j.Unuse(t.Context(), a.ID, "u") }},
			{"Revoke", func() error { _, err := j.Revoke(t.Context(), a.ID, "ops", now); return err }},
			{"Hold", func() error { h.ID = journal.NewID(now); return j.Hold(t.Context(), h) }},
			{"Decide", func() error { _, err := j.Decide(t.Context(), h.ID, journal.Granted, "ops", "", now); return err }},
		} {
			c.lost.Store(0)
			c.cut.Store(times + 1)
			if err := write.do(); err != nil {
				t.Errorf("%s, answer lost %d times: %v", write.name, times+1, err)
			}
			if c.lost.Load() != times+1 {
				t.Errorf("%s: %d answers were lost, want %d", write.name, c.lost.Load(), times+1)
			}
		}
	}
	direct := openAt(t, url, journal.Options{})
	n := 0
	for e, err := range direct.Entries(t.Context(), journal.Filter{Outcome: journal.Committed}) {
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, err := range direct.Rows(t.Context(), e.ID) {
			if err != nil {
				t.Error(err)
			}
			rows++
		}
		if n++; rows != 2 {
			t.Errorf("%d rows of %s, want 2", rows, e.ID)
		}
	}
	if n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
	if all, err := direct.Allowances(t.Context(), time.Time{}); err != nil || len(all) != 2 || len(all[0].Uses)+len(all[1].Uses) != 0 {
		t.Errorf("allowances: %+v, %v", all, err)
	}
	// Another entry of the same ID is still another one.
	other := newEntry()
	other.ID = e.ID
	c.cut.Store(1)
	if err := j.Append(t.Context(), other, nil); !errors.Is(err, journal.ErrExists) {
		t.Errorf("another entry with the ID: %v", err)
	}
}

// While the server is away writing fails, soon where it is only asked for, and
// with it back all works without opening again.
func TestServer_AwayAndBack(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	j := openAt(t, c.URL("postgres"), journal.Options{Proxy: "p1"})
	other := openAt(t, c.URL("postgres"), journal.Options{})
	before := newEntry()
	if err := j.Append(t.Context(), before, twoKeys(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if err := j.Append(t.Context(), newEntry(), nil); err == nil {
		t.Errorf("Append without a server: %v", err)
	}
	if err := j.Ping(t.Context()); err == nil {
		t.Error("Ping without a server")
	}
	if _, err := j.Entry(t.Context(), before.ID); err == nil {
		t.Error("Entry without a server")
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Append(t.Context(), newEntry(), nil); err != nil {
		t.Errorf("Append over old connections: %v", err)
	}
	eventually(t, "Ping", func() bool { return j.Ping(t.Context()) == nil })
	if err := j.Append(t.Context(), newEntry(), nil); err != nil {
		t.Error(err)
	}
	if _, err := j.Entry(t.Context(), before.ID); err != nil {
		t.Error(err)
	}
	eventually(t, "its sign of life", func() bool {
		alive, err := other.(journal.Fleet).Alive(t.Context())
		return err == nil && alive["p1"]
	})
}

// A writer waits for a server that comes back soon. What it was told is so,
// whatever happened meanwhile.
func TestServer_RestartedUnderLoad(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	j := openAt(t, c.URL("postgres"), journal.Options{Proxy: "p1"})
	var stored, unknown sync.Map
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				e := newEntry()
				switch err := j.Append(t.Context(), e, twoKeys(t)); {
				case err == nil:
					stored.Store(e.ID, true)
				case errors.Is(err, pgjournal.ErrUnknown):
					unknown.Store(e.ID, true)
				default:
					t.Logf("Append: %v", err)
				}
			}
		})
	}
	for _, how := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGINT, syscall.SIGQUIT} {
		time.Sleep(300 * time.Millisecond) // of load
		if err := c.Signal(how); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	found := 0
	for e, err := range j.Entries(t.Context(), journal.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		_, told := stored.LoadAndDelete(e.ID)
		if _, may := unknown.Load(e.ID); !told && !may {
			t.Errorf("%s is there, and the writer was told that it is not", e.ID)
		}
		found++
	}
	stored.Range(func(id, _ any) bool { t.Errorf("%s is lost", id); return true })
	t.Logf("%d entries", found)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
