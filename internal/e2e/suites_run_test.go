package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
)

// The suites know no RB001: the threshold is higher than what they remove. Every
// statement is judged still.
func TestSuites(t *testing.T) {
	whole := os.Getenv("CLIENTS") == "whole"
	cluster, err := pgtest.Start(t.Context(), pgtest.Options{HBA: suitesHBA, Unsafe: true, Settings: []string{"max_connections=200"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Stop() })
	dirs := map[string]string{}
	for _, s := range suites {
		dirs[s.module] = s.copied(t)
	}
	authority := testcert.New(t)
	cert, key := authority.Issue(t, "localhost")
	speakTLS(t, cluster, cert, key)
	upstream := strings.Replace(cluster.URL("postgres"), "sslmode=disable", "sslmode=require", 1)
	journal := filepath.Join(t.TempDir(), "journal")
	p, addr, err := startProxy(exec.CommandContext(context.Background(), program(t), "proxy", "--listen", "127.0.0.1:0", "--upstream", upstream,
		"--journal", journal, "--mode", "block", "--threshold", "1000000000", "--admin", "off", "--tls-cert", cert, "--tls-key", key))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites {
		dir := dirs[s.module]
		cluster.CreateDatabase(t, s.database, "template1")
		psql := cluster.Command(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", cluster.URL(s.database))
		psql.Stdin = strings.NewReader(s.setup(t, dir))
		run(t, psql)
		for _, r := range s.runs {
			if r.whole && !whole {
				continue
			}
			t.Run(r.name, func(t *testing.T) {
				skip := slices.Sorted(maps.Keys(s.except))
				if !whole {
					skip = append(skip, r.slow...)
				}
				against := func(addr string) target {
					return target{dir: dir, env: append(s.env(t, authority.CA, addr), r.env...)}
				}
				compareSuite(t, against(addr), against(cluster.Addr()), r.packages, skip)
			})
		}
	}
	if err := errors.Join(p.Signal(syscall.SIGTERM), p.Wait()); err != nil {
		t.Error(err)
	}
	t.Run("journal", func(t *testing.T) { settled(t, journal) })
}

// compare runs the tests through the proxy, and those that do not pass there
// directly. Who passes there has seen a difference, unless it passes at the
// second try: the suites have limits of time that a busy machine exceeds.
func compareSuite(t *testing.T, proxy, direct target, packages, skip []string) {
	except := []string{"-skip", strings.Join(skip, "|")}
	through := proxy.test(t, packages, except...)
	t.Log("through the proxy:", through)
	for pkg, names := range through.notPassed() {
		only := []string{"-run", "^(" + strings.Join(names, "|") + ")$"}
		if slices.Contains(names, "") {
			only = except
		}
		alone := direct.test(t, []string{pkg}, only...)
		t.Logf("what does not pass in %s, directly: %v", pkg, alone)
		var again *results
		for _, test := range alone.passed() {
			if through.ends[test] == "pass" {
				continue
			}
			if again == nil {
				again = proxy.test(t, []string{pkg}, only...)
				t.Log("and through the proxy again:", again)
			}
			if end := again.ends[test]; end != "pass" {
				t.Errorf("%s %s passes directly, not through the proxy (%q)\n%s", test.Package, test.Test, end, again.said[test])
			}
		}
	}
}

// target is a suite with the environment that leads it to a server.
type target struct {
	dir string
	env []string
}

// test names a test, or with Test "" a package.
type test struct{ Package, Test string }

// results are how tests ended: pass, fail or skip; "" if they have not.
type results struct {
	ends map[test]string
	said map[test]string
}

func (r *results) String() string {
	counts := map[string]int{}
	var odd []string
	for t, end := range r.ends {
		if t.Test != "" {
			counts[end]++
		}
		if t.Test != "" && (end == "fail" || end == "") {
			odd = append(odd, t.Test)
		}
	}
	slices.Sort(odd)
	return fmt.Sprintf("%d passed, %d skipped, %d failed, %d did not end %v", counts["pass"], counts["skip"], counts["fail"], counts[""], odd)
}

func (r *results) passed() (tests []test) {
	for t, end := range r.ends {
		if end == "pass" && t.Test != "" {
			tests = append(tests, t)
		}
	}
	return tests
}

// explained reports whether a test of the package failed.
func (r *results) explained(pkg string) bool {
	for t, end := range r.ends {
		if t.Package == pkg && t.Test != "" && end == "fail" {
			return true
		}
	}
	return false
}

// notPassed are the names, without subtests, of tests that failed, were skipped
// or did not end, by package. The name "" says that a test did not end, and so
// that others have not begun, or that a package does not build.
func (r *results) notPassed() map[string][]string {
	names := map[string][]string{}
	add := func(pkg, name string) {
		if !slices.Contains(names[pkg], name) {
			names[pkg] = append(names[pkg], name)
		}
	}
	for t, end := range r.ends {
		name, _, _ := strings.Cut(t.Test, "/")
		switch {
		case end == "pass":
		case t.Test != "" && end != "":
			add(t.Package, regexp.QuoteMeta(name))
		case t.Test != "", end == "fail" && !r.explained(t.Package):
			add(t.Package, "")
		}
	}
	return names
}

// test runs tests, one package after the other: some know others' tables.
func (g target) test(t *testing.T, packages []string, args ...string) *results {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"test", "-json", "-count=1", "-p=1", "-vet=off", "-trimpath", "-timeout=10m"}, args, packages)...)
	cmd.Dir = g.dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "GOFLAGS=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(append(cmd.Env, "GOWORK=off"), g.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // an error: tests have failed
	r := &results{ends: map[test]string{}, said: map[test]string{}}
	for events := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct {
			test
			Action, Output string
		}
		if err := events.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		switch e.Action {
		case "run":
			r.ends[e.test] = ""
		case "pass", "fail", "skip":
			r.ends[e.test] = e.Action
		case "output":
			r.said[e.test] += e.Output
		}
	}
	if err != nil && !slices.ContainsFunc(slices.Collect(maps.Keys(r.ends)), func(t test) bool { return t.Test != "" }) {
		t.Fatalf("%v\n%s%v", err, stderr.String(), r.said)
	}
	return r
}

// copied is a copy of the suite's module that can be written to. The go command
// fetches it if need be, and knows its checksum from go.sum.
func (s suite) copied(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", s.module)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), path.Base(s.module))
	if err := os.CopyFS(dir, os.DirFS(module.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	}); err != nil {
		t.Fatal(err)
	}
	if s.patch != nil {
		s.patch(t, dir)
	}
	return dir
}

// speakTLS has the cluster show a certificate.
func speakTLS(t *testing.T, c *pgtest.Cluster, cert, key string) {
	t.Helper()
	owner, err := os.Stat(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	sys := owner.Sys().(*syscall.Stat_t)
	for name, from := range map[string]string{"server.crt": cert, "server.key": key} {
		to := filepath.Join(c.Dir, "data", name) // where the server looks
		if err := os.WriteFile(to, []byte(readFile(t, from)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(to, int(sys.Uid), int(sys.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	pgtest.Exec(t, c.URL("postgres"), "ALTER SYSTEM SET ssl = on")
	if err := c.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// settled: the suites have removed rows, and of every one it is known whether it is gone.
func settled(t *testing.T, journal string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), "log", "--journal", journal, "--kind", "deletion", "--output", "json")
	cmd.Dir, cmd.Stderr = t.TempDir(), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]int{}
	for entries := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Outcome string }
		if err := entries.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		outcomes[e.Outcome]++
	}
	t.Log("deletions in the journal:", outcomes)
	if outcomes["committed"] == 0 || len(outcomes) > 2 || len(outcomes) == 2 && outcomes["rolled_back"] == 0 {
		t.Errorf("deletions in the journal: %v, want committed and rolled_back", outcomes)
	}
}
