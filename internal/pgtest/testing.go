package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

var shared *Cluster // set once by Main, before any test runs

var serial atomic.Int64

// Main is for a package's TestMain: it runs the tests with one shared cluster
// and stops it afterwards. Without PostgreSQL it fails.
func Main(m *testing.M, o Options) {
	os.Exit(func() int {
		c, err := Start(context.Background(), o)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer c.Stop()
		shared = c
		return m.Run()
	}())
}

// Shared is the cluster that Main started.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	if shared == nil {
		tb.Fatal("pgtest.Main does not run this package's tests")
	}
	return shared
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
