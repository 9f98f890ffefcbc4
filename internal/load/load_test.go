package load

import (
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/pooler"
	"github.com/rowback/rowback/internal/testcert"
)

// pooled is a pgbouncer in front of the server: thousands of sessions on a few
// server connections.
func pooled(t *testing.T) *pooler.Pooler {
	t.Helper()
	b, err := pooler.Start(t.Context(), pooler.Options{Server: pgtest.Shared(t).Addr(), Mode: "transaction",
		Settings: []string{"max_client_conn = " + strconv.Itoa(sessions()+100), "default_pool_size = 20"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Idle sessions stay usable, all of them, and leave nothing behind. Where one proxy
// may not open files for so many, several have them.
func TestIdle(t *testing.T) {
	b := pooled(t)
	var ps proxies
	for range fleet() {
		ps = append(ps, serve(t, 0, b.Addr))
	}
	first := make([]*client, len(ps)) // what is made once is made
	for i, p := range ps {
		var err error
		if first[i], _, err = begin(p.addr); err != nil {
			t.Fatal(err)
		}
		defer first[i].conn.Close()
		if err := first[i].query("SELECT 1"); err != nil {
			t.Fatal(err)
		}
	}
	memory, sockets := ps.inUse(t)
	n := sessions()
	if n < asked() {
		t.Logf("%d sessions were asked for: a process may open %d files here, and has no right to raise that (ulimit -Hn, CAP_SYS_RESOURCE)", asked(), files)
	}
	if len(ps) > 1 {
		t.Logf("%d proxies have the sessions: each may open %d files, which is room for %d", len(ps), files, each())
	}
	clients := make([]*client, n)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	open := func(i int) error {
		c, code, err := begin(ps[i%len(ps)].addr)
		if err == nil && code != "" {
			err = fmt.Errorf("refused with SQLSTATE %s", code)
		}
		clients[i] = c
		return err
	}
	began := time.Now()
	all(t, n, 64, open)
	took := time.Since(began)
	idle, more := ps.inUse(t)
	t.Logf("%d sessions in %.1f s: %.1f KiB and %.1f sockets each", n, took.Seconds(), float64(idle-memory)/1024/float64(n), float64(more-sockets)/float64(n))
	if n >= 1000 { // a crowd: what letting it in took is given back
		now := idle
		for end := time.Now().Add(time.Minute); now >= idle-idle/10 && time.Now().Before(end); now, _ = ps.inUse(t) {
			time.Sleep(time.Second)
		}
		t.Logf("after a while: %.1f KiB", float64(now-memory)/1024/float64(n))
	}
	all(t, n, 64, func(i int) error { return clients[i].query("SELECT " + strconv.Itoa(i)) })
	again, _ := ps.inUse(t)
	t.Logf("each having run a query: %.1f KiB", float64(again-memory)/1024/float64(n))
	for i, c := range clients {
		c.conn.Close()
		clients[i] = nil
	}
	ps.settle(t, sockets)
	for _, one := range first {
		if err := one.query("SELECT 1"); err != nil {
			t.Error(err)
		}
	}
}

// Busy sessions, each with a server connection of its own, get all their answers,
// and may delete. What is kept of that, internal/crash looks at.
func TestBusy(t *testing.T) {
	c := pgtest.Shared(t)
	pgtest.Exec(t, c.URL("postgres"), "DROP TABLE IF EXISTS busy", "CREATE TABLE busy (id int PRIMARY KEY)", fmt.Sprintf("INSERT INTO busy SELECT generate_series(0, %d)", busy()))
	p := serve(t, 0, c.Addr())
	clients := make([]*client, busy())
	all(t, busy(), 64, func(i int) (err error) {
		var code string
		if clients[i], code, err = begin(p.addr); err == nil && code != "" {
			err = fmt.Errorf("refused with SQLSTATE %s", code)
		}
		return err
	})
	began := time.Now()
	all(t, busy(), busy(), func(i int) error {
		for range 50 {
			if err := clients[i].query("SELECT count(*) FROM busy WHERE id = " + strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return nil
	})
	t.Logf("%d sessions read: %.0f statements a second", busy(), float64(50*busy())/time.Since(began).Seconds())
	var failed atomic.Int64
	began = time.Now()
	all(t, busy(), busy(), func(i int) error {
		one := clients[i]
		defer one.conn.Close()
		if err := one.query("DELETE FROM busy WHERE id = " + strconv.Itoa(i)); err != nil {
			return err
		}
		if err := one.query("DELETE FROM busy USING generate_series(1, 1000) WHERE false"); err != nil {
			failed.Add(1)
		}
		return nil
	})
	t.Logf("and delete: %.0f statements a second", float64(2*busy())/time.Since(began).Seconds())
	if n := failed.Load(); n > 0 {
		t.Errorf("%d deletions of nothing failed", n)
	}
}

// A storm of connections finds room for some; the others are told so at once, and
// when it is over everybody is let in again.
func TestStorm(t *testing.T) {
	cert, key := testcert.New(t).Issue(t, "localhost")
	for name, begin := range map[string]func(string) (*client, string, error){"in the clear": begin, "under TLS": beginTLS} {
		t.Run(name, func(t *testing.T) {
			room := busy() / 2
			p := serve(t, 0, pgtest.Shared(t).Addr(), "--max-sessions", strconv.Itoa(room), "--tls-cert", cert, "--tls-key", key)
			_, sockets := p.inUse(t)
			var in, full atomic.Int64
			all(t, 10*busy(), 2*busy(), func(int) error {
				c, code, err := begin(p.addr)
				switch {
				case err != nil:
					return err
				case code == "53300":
					full.Add(1)
					return nil
				case code != "":
					return fmt.Errorf("refused with SQLSTATE %s", code)
				}
				in.Add(1)
				defer c.conn.Close()
				return c.query("SELECT pg_sleep(0.01)")
			})
			t.Logf("%d were let in, %d were told that it is full", in.Load(), full.Load())
			if in.Load() < int64(room) || full.Load() == 0 {
				t.Error("that was no storm")
			}
			proxies{p}.settle(t, sockets)
			if c, code, err := begin(p.addr); err != nil || code != "" {
				t.Errorf("after it: %q, %v", code, err)
			} else {
				c.conn.Close()
			}
		})
	}
}

// Where the process may not open more files, who comes too late is refused in
// words; who is in goes on, and can delete.
func TestOutOfFiles(t *testing.T) {
	c := pgtest.Shared(t)
	pgtest.Exec(t, c.URL("postgres"), "DROP TABLE IF EXISTS files", "CREATE TABLE files (id int PRIMARY KEY)", "INSERT INTO files SELECT generate_series(1, 100)")
	p := serve(t, 60, c.Addr())
	var clients []*client
	defer func() {
		for _, c := range clients {
			c.conn.Close()
		}
	}()
	code := ""
	for code == "" {
		one, said, err := begin(p.addr)
		if err != nil {
			t.Fatalf("after %d sessions: %v", len(clients), err)
		}
		if code = said; code == "" {
			clients = append(clients, one)
		}
	}
	t.Logf("%d sessions, the next was refused with SQLSTATE %s", len(clients), code)
	if code != "53300" || len(clients) < 5 {
		t.Errorf("after %d sessions SQLSTATE %s", len(clients), code)
	}
	defer crowd(t, p, 50)()
	for i, c := range clients {
		if err := c.query(fmt.Sprintf("DELETE FROM files WHERE id = %d", i+1)); err != nil {
			t.Error(err)
		}
	}
	if _, code, err := begin(p.addr); err != nil || code != "53300" {
		t.Errorf("behind the crowd: %q, %v", code, err)
	}
	for _, c := range clients[:3] {
		c.conn.Close()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		one, code, err := begin(p.addr)
		if err == nil && code == "" {
			one.conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("with room again: %q, %v", code, err)
		}
	}
}

// Connections that say nothing, or the beginning of something, keep nobody out.
func TestSlowloris(t *testing.T) {
	p := serve(t, 1024, pgtest.Shared(t).Addr())
	defer crowd(t, p, 1000)()
	for range 3 {
		c, code, err := begin(p.addr)
		if err != nil || code != "" {
			t.Fatalf("%q, %v", code, err)
		}
		if err := c.query("SELECT 1"); err != nil {
			t.Error(err)
		}
		c.conn.Close()
	}
}

// crowd opens connections that send no startup packet, some of them a part of one.
func crowd(t *testing.T, p *proxy, n int) (leave func()) {
	t.Helper()
	conns := make([]net.Conn, n)
	all(t, n, 64, func(i int) (err error) {
		if conns[i], err = net.DialTimeout("tcp", p.addr, patience); err != nil {
			return err
		}
		_, err = conns[i].Write([]byte{0, 0, 0, 50, 0, 3, 0, 0, 'u', 's', 'e', 'r'}[:i%12])
		return err
	})
	return func() {
		for _, c := range conns {
			c.Close()
		}
	}
}
