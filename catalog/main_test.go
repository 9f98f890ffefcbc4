package catalog

import (
	"context"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, pgtest.Options{Unsafe: true, Settings: []string{"jit=off"}})
}

// database makes a database and connects to it as the superuser.
func database(tb testing.TB, sql ...string) *pgx.Conn {
	tb.Helper()
	return connect(tb, pgtest.Shared(tb).URL(pgtest.Database(tb, understood(tb, sql)...)))
}

var (
	setNullOf  = regexp.MustCompile(`SET NULL \(\w+\)`)
	atomicBody = regexp.MustCompile(`BEGIN ATOMIC (.*?;) END`)
)

// setsColumns: the server knows ON DELETE SET NULL (columns).
func setsColumns(tb testing.TB) bool { tb.Helper(); return pgtest.Shared(tb).Version() >= 15 }

// understood is the fixtures' SQL without what the server does not know.
func understood(tb testing.TB, sql []string) []string {
	tb.Helper()
	if setsColumns(tb) {
		return sql
	}
	out := make([]string, len(sql))
	for i, s := range sql {
		out[i] = setNullOf.ReplaceAllString(s, "SET NULL")
		if pgtest.Shared(tb).Version() < 14 {
			out[i] = atomicBody.ReplaceAllString(out[i], "AS '$1'")
		}
	}
	return out
}

func connect(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// run executes a text of statements.
func run(tb testing.TB, conn *pgx.Conn, sql string) {
	tb.Helper()
	if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		tb.Fatalf("%v\n%s", err, sql)
	}
}

func load(tb testing.TB, conn *pgx.Conn) *Snapshot {
	tb.Helper()
	s, err := Load(context.Background(), FromConn(conn))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func lookup(tb testing.TB, s *Snapshot, name string) *Table {
	tb.Helper()
	t := s.Lookup("public", name)
	if t == nil {
		tb.Fatalf("no table %s in the snapshot", name)
	}
	return t
}
