package crash

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/built"
	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

// The server is durable: that is the claim.
func TestMain(m *testing.M) {
	code := pgtest.Run(m, pgtest.Options{})
	if made.dir != "" {
		if err := os.RemoveAll(made.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

var made struct {
	once    sync.Once
	dir     string
	err     error
	instead string // of the program, for one test
}

// program is the path of rowback, built from this tree.
func program(t *testing.T) string {
	t.Helper()
	if made.instead != "" {
		return made.instead
	}
	made.once.Do(func() {
		if made.dir, made.err = os.MkdirTemp("", "rowback-crash-"); made.err != nil {
			return
		}
		_, made.err = built.Program(context.Background(), made.dir)
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	return filepath.Join(made.dir, "rowback")
}

// howLong is how long a run under load lasts.
func howLong(t *testing.T, normal time.Duration) time.Duration {
	t.Helper()
	v := os.Getenv("SOAK")
	if v == "" {
		return normal
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	return d
}

// served is one rowback proxy process.
type served struct {
	*child.Process
	// said is complete once the process has ended.
	mu        sync.Mutex
	said      strings.Builder
	read      chan struct{}
	listening chan struct{} // closed once it does
}

// freeAddr is an address for proxies that come one after another.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// sessionEnds are what a proxy says for each client of a server that is away.
var sessionEnds = regexp.MustCompile(`(?m)^.*msg="session ended".*\n`)

// serve starts a proxy and returns once it listens.
func serve(t *testing.T, addr, upstream, journal string, more ...string) *served {
	t.Helper()
	s := start(t, addr, upstream, journal, more...)
	s.awaitListening(t)
	return s
}

func start(t *testing.T, addr, upstream, journal string, more ...string) *served {
	t.Helper()
	args := append([]string{"proxy", "--listen", addr, "--upstream", upstream, "--journal", journal, "--admin", "off"}, more...)
	cmd := exec.CommandContext(context.Background(), program(t), args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	p, err := child.Start(cmd, syscall.SIGKILL)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	s := &served{Process: p, read: make(chan struct{}), listening: make(chan struct{})}
	t.Cleanup(func() {
		s.end()
		if t.Failed() {
			t.Logf("rowback proxy said:\n%s", sessionEnds.ReplaceAllString(s.text(), ""))
		}
	})
	go func() {
		defer close(s.read)
		defer r.Close()
		once := sync.OnceFunc(func() { close(s.listening) })
		for lines := bufio.NewScanner(r); lines.Scan(); {
			s.mu.Lock()
			s.said.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			if strings.HasPrefix(lines.Text(), "listening on ") {
				once()
			}
		}
	}()
	return s
}

// listens waits until the proxy listens, or has ended.
func (s *served) listens() bool {
	select {
	case <-s.listening:
		return true
	case <-s.read:
		return false
	}
}

func (s *served) awaitListening(t *testing.T) {
	t.Helper()
	if !s.listens() {
		t.Fatalf("rowback proxy did not start: %v\n%s", s.Wait(), s.text())
	}
}

func (s *served) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// wait returns how the process ended, once it has.
func (s *served) wait() error {
	<-s.read
	return s.Wait()
}

// kill is kill -9.
func (s *served) kill(t *testing.T) {
	t.Helper()
	if err := s.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = s.wait() // "signal: killed"
}
