package crash

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

// The admin endpoint answers at any time of a restart, and then for the new process.
func TestHandover_AdminEndpoint(t *testing.T) {
	addr, admin := freeAddr(t), freeAddr(t)
	p := serve(t, addr, pgtest.Shared(t).Addr(), filepath.Join(t.TempDir(), "journal"), "--admin", admin)
	get := func(path string) (string, error) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: pollTime}
		answer, err := client.Get("http://" + admin + path)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusOK {
			err = errors.Join(err, errors.New(answer.Status+": "+string(body)))
		}
		return string(body), err
	}
	ctx, cancel := context.WithCancel(context.Background())
	asked := make(chan error)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = get("/readyz")
		}
		asked <- err
	}()
	for range 3 {
		p.handOver(t, handedOver)
	}
	query[int](t, through(addr, "postgres"), "SELECT 1")
	cancel()
	if err := <-asked; err != nil {
		t.Error(err)
	}
	if body, err := get("/metrics"); err != nil || !strings.Contains(body, "\nrowback_connections_total 1\n") {
		t.Errorf("%v:\n%s", err, body)
	}
	p.stop(t)
}

// serviceManager hears what a proxy tells it.
type serviceManager struct {
	conn *net.UnixConn
	addr string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	m := &serviceManager{addr: filepath.Join(t.TempDir(), "notify")}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.addr, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	t.Setenv("NOTIFY_SOCKET", m.addr)
	return m
}

func (m *serviceManager) want(t *testing.T, states ...string) {
	t.Helper()
	for _, want := range states {
		b := make([]byte, 1000)
		_ = m.conn.SetReadDeadline(time.Now().Add(pollTime))
		n, err := m.conn.Read(b)
		if got := string(b[:n]); err != nil || !strings.HasPrefix(got, want) {
			t.Fatalf("it is told %q, %v; want %q", got, err, want)
		}
	}
}

func TestHandover_ServiceManagerIsTold(t *testing.T) {
	m := newServiceManager(t)
	p := serve(t, freeAddr(t), pgtest.Shared(t).Addr(), filepath.Join(t.TempDir(), "journal"))
	m.want(t, "READY=1")
	p.handOver(t, handedOver)
	m.want(t, "MAINPID=", "READY=1")
	p.stop(t)
	m.want(t, "STOPPING=1")
}

// The service manager has opened the sockets: they stay open while the proxy is
// stopped, and started anew, and restarted by itself.
func TestHandover_ServiceManagersSockets(t *testing.T) {
	dir := t.TempDir()
	clients, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.6432"))
	if err != nil {
		t.Fatal(err)
	}
	defer clients.Close()
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	url := "postgres://postgres@/postgres?sslmode=disable&port=6432&host=" + dir
	for range 2 {
		log, err := os.Create(filepath.Join(t.TempDir(), "log")) // a pipe would be waited for
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		// systemd sets the process ID in the process that becomes the proxy.
		c := exec.CommandContext(context.Background(), "sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", program(t), "proxy",
			"--upstream", pgtest.Shared(t).Addr(), "--journal", filepath.Join(t.TempDir(), "journal"))
		c.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=rowback.socket:admin")
		ended, stdout, err := os.Pipe() // every process of the proxy has it
		if err != nil {
			t.Fatal(err)
		}
		defer ended.Close()
		c.Stdout, c.Stderr = stdout, log
		for _, l := range []net.Listener{clients, admin} {
			f, err := l.(interface{ File() (*os.File, error) }).File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c.ExtraFiles = append(c.ExtraFiles, f)
		}
		p, err := child.Start(c, syscall.SIGKILL)
		stdout.Close()
		if err != nil {
			t.Fatal(err)
		}
		query[int](t, url, "SELECT 1") // waits in the socket until it is served
		answer, err := http.Get("http://" + admin.Addr().String() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if err := p.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
		query[int](t, url, "SELECT 1")
		said, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		s := served{Process: p}
		s.said.Write(said)
		if err := syscall.Kill(s.newest(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		// Until then it may still take the next round's client, and end it.
		_ = ended.SetReadDeadline(time.Now().Add(pollTime))
		if _, err := io.Copy(io.Discard, ended); err != nil {
			t.Fatalf("the processes do not end: %v", err)
		}
	}
}

// A socket that others can reach wants a token, whatever admin says.
func TestHandover_ServiceManagersAdminSocketIsPublic(t *testing.T) {
	admin, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	f, err := admin.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", program(t), "proxy",
		"--listen", t.TempDir(), "--upstream", pgtest.Shared(t).Addr(), "--journal", filepath.Join(t.TempDir(), "journal"))
	c.Env, c.ExtraFiles = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=admin"), []*os.File{f}
	if out, err := c.CombinedOutput(); c.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "can be reached from other machines: set admin-token") {
		t.Errorf("%v: %s", err, out)
	}
}
