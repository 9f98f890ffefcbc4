package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rowback/rowback/internal/built"
	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Run(m, pgtest.Options{Unsafe: true})
	if err := cleanUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// shared is what these tests have in common, made when a test first asks for
// it: the program, and one proxy in front of the package's cluster.
var shared struct {
	build, start sync.Once
	dir          string // of the program, and of the proxy's journal
	proxy        *child.Process
	addr         string // the proxy's
	err          error
}

func cleanUp() (err error) {
	if shared.proxy != nil {
		err = errors.Join(shared.proxy.Signal(syscall.SIGTERM), shared.proxy.Wait())
	}
	if shared.dir != "" {
		err = errors.Join(err, os.RemoveAll(shared.dir))
	}
	return err
}

// program is the path of rowback, built from this tree.
func program(t *testing.T) string {
	t.Helper()
	shared.build.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "rowback-e2e-"); shared.err != nil {
			return
		}
		_, shared.err = built.Program(context.Background(), shared.dir)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return filepath.Join(shared.dir, "rowback")
}

// proxyAddr is where the shared proxy listens: block mode, the default threshold.
func proxyAddr(t *testing.T) string {
	t.Helper()
	rowback, upstream := program(t), pgtest.Shared(t).URL("postgres")
	shared.start.Do(func() {
		cmd := exec.CommandContext(context.Background(), rowback, "proxy", "--listen", "127.0.0.1:0", "--upstream", upstream,
			"--journal", filepath.Join(shared.dir, "journal"), "--mode", "block", "--admin", "off")
		shared.proxy, shared.addr, shared.err = startProxy(cmd)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.addr
}

// startProxy starts a proxy and returns it with its address once it listens.
// What it says afterwards goes to the test's own stderr.
func startProxy(cmd *exec.Cmd) (*child.Process, string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	cmd.Stderr = w
	p, err := child.Start(cmd, syscall.SIGTERM)
	w.Close()
	if err != nil {
		return nil, "", err
	}
	lines := bufio.NewScanner(r)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if _, addr, ok := strings.Cut(lines.Text(), "listening on "); ok {
			go func() {
				defer r.Close()
				for lines.Scan() {
					fmt.Fprintln(os.Stderr, "proxy:", lines.Text())
				}
			}()
			return p, addr, nil
		}
	}
	return nil, "", fmt.Errorf("rowback proxy did not start: %w\n%s", p.Wait(), strings.Join(said, "\n"))
}
