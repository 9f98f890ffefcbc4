package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/built"
	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Run(m, pgtest.Options{Unsafe: true, Settings: []string{"max_connections=" + strconv.Itoa(busy()+100)}})
	if made.dir != "" {
		if err := os.RemoveAll(made.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

var made struct {
	once sync.Once
	dir  string
	err  error
}

func program(t *testing.T) string {
	t.Helper()
	made.once.Do(func() {
		if made.dir, made.err = os.MkdirTemp("", "rowback-load-"); made.err == nil {
			_, made.err = built.Program(context.Background(), made.dir)
		}
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	return filepath.Join(made.dir, "rowback")
}

// proxy is a `rowback proxy`.
type proxy struct {
	*child.Process
	addr string
}

// serve starts a proxy which may have that many files open (0: any number).
func serve(t *testing.T, files int, upstream string, more ...string) *proxy {
	t.Helper()
	limit := "hard"
	if files > 0 {
		limit = strconv.Itoa(files)
	}
	args := append([]string{"-c", `ulimit -n "$0" && exec "$@"`, limit, program(t), "proxy", "--listen", "127.0.0.1:0", "--upstream", upstream,
		"--journal", filepath.Join(t.TempDir(), "journal"), "--admin", "off"}, more...)
	if files == 0 {
		args[1] = `exec "$@"`
	}
	cmd := exec.CommandContext(context.Background(), "sh", args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	p := &proxy{}
	p.Process, err = child.Start(cmd, syscall.SIGTERM)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	addr, ended := make(chan string, 1), make(chan struct{})
	var said strings.Builder
	go func() {
		defer close(ended)
		defer r.Close()
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				addr <- at
			} else if said.Len() < 1<<12 {
				said.WriteString(lines.Text() + "\n")
			}
		}
	}()
	t.Cleanup(func() {
		if err := errors.Join(p.Signal(syscall.SIGTERM), p.Wait()); err != nil {
			t.Error(err)
		}
		<-ended
		if t.Failed() {
			t.Logf("the proxy said first:\n%s", said.String())
		}
	})
	select {
	case p.addr = <-addr:
	case <-ended:
		t.Fatalf("rowback proxy did not start:\n%s", said.String())
	}
	return p
}

// inUse is a process's memory, in bytes, and how many sockets it has open.
func (p *proxy) inUse(t *testing.T) (memory int64, sockets int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d/fd", p.PID())
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range open { // the journal opens and closes files of its own
		if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			sockets++
		}
	}
	return n << 10, sockets
}

// client is one session, with little around it.
type client struct {
	conn net.Conn
	*bufio.Reader
}

// patience bounds every wait for an answer: a hang fails.
const patience = 2 * time.Minute

// begin opens a session; code is the SQLSTATE if it is refused, "" if it is ready.
func begin(addr string) (c *client, code string, err error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, "", err
	}
	return login(conn)
}

// beginTLS is begin under TLS.
func beginTLS(addr string) (c *client, code string, err error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, "", err
	}
	return login(tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"postgresql"}}))
}

func login(conn net.Conn) (c *client, code string, err error) {
	c = &client{conn, bufio.NewReaderSize(conn, 512)}
	hello, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "postgres", "database": "postgres"}}).Encode(nil)
	if err != nil {
		return nil, "", err
	}
	code, err = c.ask(hello)
	if err != nil || code != "" {
		conn.Close()
	}
	return c, code, err
}

// ask sends a packet and reads up to ReadyForQuery, or to an error: its SQLSTATE.
func (c *client) ask(packet []byte) (code string, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := c.conn.Write(packet); err != nil {
		return "", err
	}
	for {
		var header [5]byte
		if _, err := io.ReadFull(c, header[:]); err != nil {
			return "", err
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(c, body); err != nil {
			return "", err
		}
		switch header[0] {
		case 'Z':
			return "", nil
		case 'E':
			var e pgproto3.ErrorResponse
			if err := e.Decode(body); err != nil {
				return "", err
			}
			return e.Code, nil
		}
	}
}

func (c *client) query(sql string) error {
	packet, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		return err
	}
	code, err := c.ask(packet)
	if err == nil && code != "" {
		err = fmt.Errorf("%s: SQLSTATE %s", sql, code)
	}
	return err
}

// all runs do for 0 … n-1, so many at a time, and fails the test with the first error.
func all(t *testing.T, n, atATime int, do func(i int) error) {
	t.Helper()
	next, errs := make(chan int), make(chan error, n)
	var workers sync.WaitGroup
	for range min(n, atATime) {
		workers.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					errs <- err
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	close(errs)
	if err := <-errs; err != nil {
		t.Fatalf("%d of %d failed, the first: %v", len(errs)+1, n, err)
	}
}

// proxies are a fleet.
type proxies []*proxy

func (ps proxies) inUse(t *testing.T) (memory int64, sockets int) {
	t.Helper()
	for _, p := range ps {
		m, s := p.inUse(t)
		memory, sockets = memory+m, sockets+s
	}
	return memory, sockets
}

// settle waits until they have no more sockets open than before.
func (ps proxies) settle(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		_, sockets := ps.inUse(t)
		if sockets <= before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sockets are open, before there were %d", sockets, before)
		}
	}
}
