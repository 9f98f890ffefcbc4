package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// shared is the cluster of one test binary: started when a test first asks for
// it, so that listing tests, or fuzzing what needs none, starts none.
var shared struct {
	sync.Mutex
	inMain  bool
	options Options
	cluster *Cluster
	err     error // why it could not be started; it is not tried again
}

var serial atomic.Int64

// Main is for a package's TestMain: it runs the tests with one shared cluster
// and stops it afterwards. Without PostgreSQL the tests that need it fail.
func Main(m *testing.M, o Options) { os.Exit(Run(m, o)) }

// Run is Main without the exit, for a TestMain that has more to do.
func Run(m *testing.M, o Options) (code int) {
	shared.inMain, shared.options = true, o
	code = m.Run()
	if shared.cluster == nil {
		return code
	}
	if err := shared.cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// Shared is the package's cluster.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.inMain {
		tb.Fatal("pgtest.Main does not run this package's tests")
	}
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = Start(context.Background(), shared.options)
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.cluster
}

// Database makes a fresh database in the shared cluster, dropped at the test's
// end, runs the given SQL in it, and returns its name.
func Database(tb testing.TB, sql ...string) string {
	tb.Helper()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), serial.Add(1))
	c := Shared(tb)
	Exec(tb, c.URL("postgres"), "CREATE DATABASE "+name)
	tb.Cleanup(func() { Exec(tb, c.URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)") })
	Exec(tb, c.URL(name), sql...)
	return name
}

// Exec runs SQL (each text may hold several statements) and fails the test on an error.
func Exec(tb testing.TB, url string, sql ...string) {
	tb.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, s := range sql {
		if _, err := conn.PgConn().Exec(ctx, s).ReadAll(); err != nil {
			tb.Fatalf("%v\n%s", err, s)
		}
	}
}
