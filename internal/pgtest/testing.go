package pgtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// lazily is a cluster of one test binary: started when a test first asks for
// it, so that listing tests, or fuzzing what needs none, starts none.
type lazily struct {
	sync.Mutex
	inMain  bool
	options Options
	cluster *Cluster
	err     error // why it could not be started; it is not tried again
}

// shared is for most tests; backup for copies, where they are to live in
// another version of PostgreSQL.
var shared, backup lazily

var serial atomic.Int64

// Main is for a package's TestMain: it runs the tests with one shared cluster
// and stops it afterwards. Without PostgreSQL the tests that need it fail.
func Main(m *testing.M, o Options) { os.Exit(Run(m, o)) }

// Run is Main without the exit, for a TestMain that has more to do.
func Run(m *testing.M, o Options) (code int) {
	shared.inMain, shared.options = true, o
	backup.inMain, backup.options = true, o
	backup.options.BinDir = os.Getenv("PGBIN_RECOVERY")
	code = m.Run()
	for _, l := range []*lazily{&shared, &backup} {
		if l.cluster == nil {
			continue
		}
		if err := l.cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

// Shared is the package's cluster.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	return shared.get(tb)
}

// Recovery is the cluster for copies of databases: Shared, unless
// $PGBIN_RECOVERY says that it is of another version.
func Recovery(tb testing.TB) *Cluster {
	tb.Helper()
	if os.Getenv("PGBIN_RECOVERY") == "" {
		return shared.get(tb)
	}
	return backup.get(tb)
}

func (l *lazily) get(tb testing.TB) *Cluster {
	tb.Helper()
	l.Lock()
	defer l.Unlock()
	if !l.inMain {
		tb.Fatal("pgtest.Main does not run this package's tests")
	}
	if l.cluster == nil && l.err == nil {
		l.cluster, l.err = Start(context.Background(), l.options)
	}
	if l.err != nil {
		tb.Fatal(l.err)
	}
	return l.cluster
}

// Database makes a fresh database in the shared cluster, dropped at the test's
// end, runs the given SQL in it, and returns its name.
func Database(tb testing.TB, sql ...string) string {
	tb.Helper()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), serial.Add(1))
	c := Shared(tb)
	c.CreateDatabase(tb, name, "template1")
	tb.Cleanup(func() { Exec(tb, c.URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)") })
	Exec(tb, c.URL(name), sql...)
	return name
}

// CreateDatabase copies a database that nobody is connected to.
func (c *Cluster) CreateDatabase(tb testing.TB, name, template string) {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), c.URL("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	c.CopyDatabase(tb, conn, name, template)
}

// CopyDatabase is CreateDatabase over a connection to another database of the cluster.
func (c *Cluster) CopyDatabase(tb testing.TB, conn *pgx.Conn, name, template string) {
	tb.Helper()
	sql := "CREATE DATABASE " + name + " TEMPLATE " + template
	if c.memory && c.Version() >= 15 {
		sql += " STRATEGY file_copy" // its checkpoints cost nothing there
	}
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		tb.Fatalf("%v\n%s", err, sql)
	}
}

// OutsideIP is an address of this machine that is not loopback; where there is none the test is skipped.
func OutsideIP(tb testing.TB) string {
	tb.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		tb.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	tb.Skip("not run: this machine has no address but loopback")
	return ""
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
