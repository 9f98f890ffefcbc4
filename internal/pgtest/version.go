package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

var majorVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// major is the major version that a program of PostgreSQL's says it has; 0 if it says none.
func major(program string) int {
	out, _ := exec.Command(program, "--version").Output()
	m := majorVersion.FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// Version is the cluster's major version: 15.
func (c *Cluster) Version() int { return c.version }

// Since leaves out a test of what Shared or Recovery are too old for, and says
// so: go test -v shows it.
func Since(tb testing.TB, version int, what string) {
	tb.Helper()
	for _, c := range []*Cluster{Shared(tb), Recovery(tb)} {
		if v := c.Version(); v < version {
			tb.Skipf("not run on PostgreSQL %d: %s came with %d", v, what, version)
		}
	}
}

// Before leaves out a test of what a server from that version on does otherwise, and says so.
func Before(tb testing.TB, version int, what string) {
	tb.Helper()
	if v := Shared(tb).Version(); v >= version {
		tb.Skipf("not run on PostgreSQL %d: from %d on %s", v, version, what)
	}
}

// Client is one of PostgreSQL's client programs, of the cluster's version or the
// oldest newer one on this machine (psql: of any), for builds of the server alone have none.
// Where there is none new enough the test is left out, and says so, unless the
// cluster is of the installed version, which must have them.
func (c *Cluster) Client(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	return exec.CommandContext(tb.Context(), c.program(tb, name), args...)
}

// program is the path of a client program; see Client.
func (c *Cluster) program(tb testing.TB, name string) string {
	tb.Helper()
	program, found := "", 0
	for _, dir := range append([]string{c.BinDir}, clientDirs()...) {
		path := filepath.Join(dir, name)
		if v := major(path); v > 0 && (v >= c.Version() || name == "psql") && (found == 0 || v < found) {
			program, found = path, v
		}
	}
	if program == "" {
		say := tb.Skipf
		if os.Getenv("PGBIN") == "" {
			say = tb.Fatalf
		}
		say("not run on PostgreSQL %d: its %s is not on this machine, nor a newer one", c.Version(), name)
	}
	return program
}

// clientDirs may hold client programs: those that $PGCLIENTS lists, as PATH
// does, and Debian's.
func clientDirs() []string {
	return append(filepath.SplitList(os.Getenv("PGCLIENTS")), debianDirs()...)
}
