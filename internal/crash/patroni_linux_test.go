package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/child"
	"github.com/rowback/rowback/internal/pgtest"
)

// patroniTime bounds the wait for what Patroni does by itself: its leader key has to
// expire first.
const patroniTime = 2 * time.Minute

// patroni is a cluster of two PostgreSQL servers under Patroni, with an etcd of one node.
type patroni struct {
	dir   string // everything is in it
	bin   string
	cred  *syscall.Credential
	etcd  *child.Process
	store string // etcd's address
	nodes []*node
}

// node is one Patroni with its server.
type node struct {
	name, api, conf, data, log string
	port                       int
	agent                      *child.Process // Patroni
}

func (n *node) addr() string { return "127.0.0.1:" + strconv.Itoa(n.port) }

func (n *node) url() string { return "postgres://postgres@" + n.addr() + "/postgres?sslmode=disable" }

// startPatroni returns once there is a leader with a synchronous standby.
func startPatroni(t *testing.T) *patroni {
	t.Helper()
	p := &patroni{}
	var err error
	if p.bin, err = pgtest.FindBinaries(); err != nil {
		t.Fatal(err)
	}
	if p.cred, err = pgtest.Unprivileged(); err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: PostgreSQL's user cannot enter that.
	if p.dir, err = os.MkdirTemp("", "rowback-patroni-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(p.dir); err != nil {
			t.Error(err)
		}
	})
	p.own(t, p.dir)
	p.startEtcd(t)
	for _, name := range []string{"a", "b"} {
		p.nodes = append(p.nodes, p.configure(t, name))
	}
	t.Cleanup(func() {
		for _, n := range p.nodes {
			if t.Failed() {
				said, _ := os.ReadFile(n.log)
				t.Logf("%s's Patroni and server said:\n%s", n.name, said[max(0, len(said)-20000):])
			}
			if n.agent != nil {
				p.kill(t, n)
			}
		}
	})
	p.start(t, p.nodes[0])
	p.await(t, "a leader", func() bool { return p.is(p.nodes[0], "primary") })
	p.start(t, p.nodes[1])
	p.awaitPair(t)
	return p
}

func (p *patroni) own(t *testing.T, path string) {
	t.Helper()
	if p.cred == nil {
		return
	}
	if err := os.Chown(path, int(p.cred.Uid), int(p.cred.Gid)); err != nil {
		t.Fatal(err)
	}
}

// run starts a program as PostgreSQL's user, out of reach of settings in the environment.
func (p *patroni) run(t *testing.T, last syscall.Signal, log, program string, args ...string) *child.Process {
	t.Helper()
	said, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred}
	cmd.Env = []string{"PATH=" + p.bin + ":/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + p.dir}
	c, err := child.Start(cmd, last)
	if err != nil {
		t.Fatalf("%v (scripts/bootstrap test installs it)", err)
	}
	return c
}

func (p *patroni) startEtcd(t *testing.T) {
	t.Helper()
	p.store = freeAddr(t)
	peers, log := "http://"+freeAddr(t), filepath.Join(p.dir, "etcd.log")
	p.etcd = p.run(t, syscall.SIGKILL, log, "etcd", "--name", "one", "--data-dir", filepath.Join(p.dir, "etcd"),
		"--listen-client-urls", "http://"+p.store, "--advertise-client-urls", "http://"+p.store,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "one="+peers)
	t.Cleanup(func() {
		_ = p.etcd.Signal(syscall.SIGKILL)
		_ = p.etcd.Wait() // "signal: killed"
	})
	p.await(t, "etcd", func() bool {
		select {
		case <-p.etcd.Done():
			said, _ := os.ReadFile(log)
			t.Fatalf("etcd: %v\n%s", p.etcd.Wait(), said)
		default:
		}
		return get("http://"+p.store+"/health") == http.StatusOK
	})
}

// configure writes a node's configuration. Its ports are found, and free until it starts.
func (p *patroni) configure(t *testing.T, name string) *node {
	t.Helper()
	port, err := pgtest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{name: name, api: freeAddr(t), port: port, conf: filepath.Join(p.dir, name+".json"), data: filepath.Join(p.dir, name), log: filepath.Join(p.dir, name+".log")}
	type m = map[string]any
	trust := []string{"local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"}
	conf, err := json.Marshal(m{ // which is YAML, too
		"scope": "rowback", "name": name,
		"restapi": m{"listen": n.api, "connect_address": n.api},
		"etcd3":   m{"host": p.store},
		"bootstrap": m{
			"dcs": m{
				// As short as two slow cores bear.
				"ttl": 6, "loop_wait": 1, "retry_timeout": 2, "master_start_timeout": 0,
				"synchronous_mode": true, // no commit that was acknowledged is lost
				"postgresql": m{"use_pg_rewind": true, "parameters": m{
					"max_connections": 100, "max_prepared_transactions": 20, "shared_buffers": "64MB", "log_min_messages": "warning"}},
			},
			"initdb": []any{m{"encoding": "UTF8"}, m{"locale": "C"}, "no-sync"},
		},
		"postgresql": m{
			"listen": n.addr(), "connect_address": n.addr(), "data_dir": n.data, "bin_dir": p.bin, "pgpass": filepath.Join(p.dir, name+".pgpass"),
			"parameters": m{"unix_socket_directories": p.dir},
			"pg_hba":     trust,
			"authentication": m{
				"superuser":   m{"username": "postgres"},
				"replication": m{"username": "replicator", "password": "x"},
			},
			"remove_data_directory_on_rewind_failure": true, "remove_data_directory_on_diverged_timelines": true,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.conf, conf, 0o644); err != nil {
		t.Fatal(err)
	}
	return n
}

// start starts a node's Patroni, which starts its server.
func (p *patroni) start(t *testing.T, n *node) {
	t.Helper()
	// SIGTERM lets Patroni end the server too, should this process end first.
	n.agent = p.run(t, syscall.SIGTERM, n.log, "patroni", n.conf)
}

// kill is what a machine does that loses its power.
func (p *patroni) kill(t *testing.T, n *node) {
	t.Helper()
	for _, pid := range p.processes(t, n) { // Patroni first: it would start the server again
		_ = syscall.Kill(pid, syscall.SIGKILL) // an error: it has ended
	}
	_ = n.agent.Wait() // "signal: killed"
	n.agent = nil
	p.await(t, n.name+"'s port to be free", func() bool { return !listens(n.addr()) })
}

// freeze is what a machine does that hangs: connections stay, and nothing answers.
func (p *patroni) freeze(t *testing.T, n *node) {
	t.Helper()
	for _, pid := range p.processes(t, n) {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // an error: it has ended
	}
}

// processes are Patroni, the postmaster, and what that has started.
func (p *patroni) processes(t *testing.T, n *node) []int {
	t.Helper()
	pids := []int{n.agent.PID()}
	// Stopped, it starts no more, and nor does the server.
	_ = n.agent.Signal(syscall.SIGSTOP)
	said, err := os.ReadFile(filepath.Join(n.data, "postmaster.pid"))
	if err != nil {
		return pids // there is no server
	}
	master, err := strconv.Atoi(strings.SplitN(string(said), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", master)); err != nil || cwd != n.data {
		return pids // the file is an old one's
	}
	pids = append(pids, master)
	_ = syscall.Kill(master, syscall.SIGSTOP)
	return append(pids, children(t, master)...)
}

func listens(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
	}
	return err != nil
}

// switchOver has Patroni exchange the roles.
func (p *patroni) switchOver(t *testing.T, from, to *node) {
	t.Helper()
	want := fmt.Sprintf(`{"leader": %q, "candidate": %q}`, from.name, to.name)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+from.api+"/switchover", strings.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	said := &bytes.Buffer{}
	_, _ = io.Copy(said, res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("switchover: %s: %s", res.Status, said)
	}
}

// awaitPair waits for a leader whose commits wait for the other node.
func (p *patroni) awaitPair(t *testing.T) (leads, follows *node) {
	t.Helper()
	p.await(t, "a leader with a synchronous standby", func() bool {
		for i, n := range p.nodes {
			if leads, follows = n, p.nodes[1-i]; p.is(leads, "primary") && p.is(follows, "synchronous") {
				return true
			}
		}
		return false
	})
	return leads, follows
}

// is asks a node's health check whether it has a role.
func (p *patroni) is(n *node, role string) bool {
	return get("http://"+n.api+"/"+role) == http.StatusOK
}

// upstream is both servers, the one that may be written being found out.
func (p *patroni) upstream() string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: p.nodes[0].addr() + "," + p.nodes[1].addr(), Path: "/postgres",
		RawQuery: "sslmode=disable&connect_timeout=5&target_session_attrs=primary"}
	return u.String()
}

func (p *patroni) await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patroniTime); !is(); pause(context.Background()) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// get is the status of what an address answers, 0 if it does not.
func get(url string) int {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(url)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}
