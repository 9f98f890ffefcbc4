package proxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// The behaviours of a session hold without a Session, with one that forwards
// all it sees, and with one that quiesces the connection before every message.
func TestSession_BehavesAsDirect(t *testing.T) {
	db := pgtest.Database(t, "CREATE TABLE t (id int PRIMARY KEY, v text)")
	judges := map[string]Judge{
		"no judge":  nil,
		"forwards":  judgeFunc(func(ctx context.Context, w Wire, typ byte, body []byte) error { w.Forward(); return nil }),
		"quiesces":  judgeFunc(quiesceAndForward),
		"exchanges": judgeFunc(exchangeAndForward),
	}
	urls := map[string]func(*testing.T) string{"direct": func(t *testing.T) string { return pgtest.Shared(t).URL(db) }}
	for name, j := range judges {
		urls[name] = func(t *testing.T) string { return proxyURL(serve(t, Options{Judge: j}), db) }
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			u := url(t)
			t.Run("queries", func(t *testing.T) { testQueries(t, connect(t, u)) })
			t.Run("pipeline", func(t *testing.T) { testPipeline(t, connect(t, u)) })
			t.Run("copy", func(t *testing.T) { testCopy(t, connect(t, u)) })
			t.Run("notify", func(t *testing.T) { testNotify(t, connect(t, u), connect(t, u)) })
			t.Run("extended copy", func(t *testing.T) { testExtendedCopy(t, u) })
			t.Run("cancel", func(t *testing.T) { testCancel(t, u) })
			t.Run("function call", func(t *testing.T) { testFunctionCall(t, u) })
		})
	}
}

func testQueries(t *testing.T, c *pgx.Conn) {
	ctx := t.Context()
	var n int
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		if err := c.QueryRow(ctx, "SELECT $1::int + 1", mode, 41).Scan(&n); err != nil || n != 42 {
			t.Fatal(mode, n, err)
		}
	}
	rows, _ := c.Query(ctx, "SELECT repeat('x', 100) FROM generate_series(1, 100000)")
	count := 0
	for rows.Next() {
		if len(rows.RawValues()[0]) != 100 {
			t.Fatal("a row came damaged")
		}
		count++
	}
	if err := rows.Err(); err != nil || count != 100000 {
		t.Fatal(count, err)
	}
	var long string
	if err := c.QueryRow(ctx, "SELECT $1::text", strings.Repeat("y", 5<<20)).Scan(&long); err != nil || long != strings.Repeat("y", 5<<20) {
		t.Fatal("a long parameter came back damaged:", err)
	}
	if err := c.QueryRow(ctx, "SELECT length('"+strings.Repeat("z", 3<<20)+"')", pgx.QueryExecModeSimpleProtocol).Scan(&n); err != nil || n != 3<<20 {
		t.Fatal(n, err)
	}
	_, err := c.Exec(ctx, "SELECT 1/0")
	if pe := new(pgconn.PgError); !errors.As(err, &pe) || pe.Code != "22012" {
		t.Fatal(err)
	}
	results, err := c.PgConn().Exec(ctx, "BEGIN; SELECT 1; SELECT 2; ROLLBACK").ReadAll()
	if err != nil || len(results) != 4 || c.PgConn().TxStatus() != 'I' {
		t.Fatal(len(results), err)
	}
}

func testPipeline(t *testing.T, c *pgx.Conn) {
	ctx := t.Context()
	b := &pgx.Batch{}
	for i := range 1000 {
		b.Queue("INSERT INTO t VALUES ($1, 'x')", i)
	}
	if err := c.SendBatch(ctx, b).Close(); err != nil {
		t.Fatal(err)
	}
	p := c.PgConn().StartPipeline(ctx)
	p.SendQueryParams("DELETE FROM t WHERE id < 500", nil, nil, nil, nil)
	p.SendPipelineSync()
	p.SendQueryParams("SELECT 1/0", nil, nil, nil, nil)
	p.SendQueryParams("DELETE FROM t", nil, nil, nil, nil) // skipped
	p.SendPipelineSync()
	p.SendQueryParams("DELETE FROM t WHERE id < 600", nil, nil, nil, nil)
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		r, err := p.GetResults()
		if pe := new(pgconn.PgError); errors.As(err, &pe) {
			got = append(got, pe.Code)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			break
		}
		switch r := r.(type) {
		case *pgconn.ResultReader:
			tag, err := r.Close()
			if pe := new(pgconn.PgError); errors.As(err, &pe) {
				got = append(got, pe.Code)
			} else if err != nil {
				t.Fatal(err)
			} else {
				got = append(got, tag.String())
			}
		case *pgconn.PipelineSync:
			got = append(got, "sync")
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if s := strings.Join(got, " "); s != "DELETE 500 sync 22012 sync DELETE 100 sync" {
		t.Fatal(s)
	}
	if _, err := c.Exec(ctx, "DELETE FROM t"); err != nil {
		t.Fatal(err)
	}
}

func testCopy(t *testing.T, c *pgx.Conn) {
	ctx := t.Context()
	n, err := c.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"id", "v"}, pgx.CopyFromSlice(50000, func(i int) ([]any, error) { return []any{i, "some text"}, nil }))
	if err != nil || n != 50000 {
		t.Fatal(n, err)
	}
	var out bytes.Buffer
	if _, err := c.PgConn().CopyTo(ctx, &out, "COPY t TO STDOUT"); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 50000 {
		t.Fatal(err)
	}
	_, err = c.PgConn().CopyFrom(ctx, strings.NewReader("1\tduplicate\n"), "COPY t FROM STDIN")
	if pe := new(pgconn.PgError); !errors.As(err, &pe) || pe.Code != "23505" {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, "TRUNCATE t"); err != nil {
		t.Fatal(err)
	}
}

func testNotify(t *testing.T, a, b *pgx.Conn) {
	ctx := t.Context()
	if _, err := a.Exec(ctx, "LISTEN ch"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Exec(ctx, "SELECT pg_notify('ch', 'hello')"); err != nil {
		t.Fatal(err)
	}
	n, err := a.WaitForNotification(ctx) // idle
	if err != nil || n.Payload != "hello" {
		t.Fatal(n, err)
	}
}

// testExtendedCopy does as libpq's PQexecParams: the Sync sent ahead of the COPY data is ignored.
func testExtendedCopy(t *testing.T, url string) {
	c := connect(t, url)
	f := c.PgConn().Frontend()
	for range 2 {
		f.Send(&pgproto3.Parse{Query: "COPY t FROM STDIN"})
		f.Send(&pgproto3.Bind{})
		f.Send(&pgproto3.Describe{ObjectType: 'P'})
		f.Send(&pgproto3.Execute{})
		f.Send(&pgproto3.Sync{})
		flush(t, f)
		expect(t, f, "12nG")
		f.Send(&pgproto3.CopyData{Data: []byte("1\tx\n")})
		f.Send(&pgproto3.CopyDone{})
		f.Send(&pgproto3.Sync{})
		f.Send(&pgproto3.Query{String: "DELETE FROM t"})
		flush(t, f)
		expect(t, f, "CZCZ")
		// The data is bad: all up to the second Sync is discarded.
		f.Send(&pgproto3.Parse{Query: "COPY t FROM STDIN"})
		f.Send(&pgproto3.Bind{})
		f.Send(&pgproto3.Execute{})
		f.Send(&pgproto3.Sync{})
		flush(t, f)
		expect(t, f, "12G")
		f.Send(&pgproto3.CopyData{Data: []byte("bad\tx\n")})
		f.Send(&pgproto3.CopyDone{})
		f.Send(&pgproto3.Sync{})
		f.Send(&pgproto3.Query{String: "SELECT 1"})
		flush(t, f)
		expect(t, f, "EZTDCZ")
	}
}

func testCancel(t *testing.T, url string) {
	testCancelBy(t, url, func(c *pgconn.PgConn) {
		if err := c.CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Of a fleet in front of the same servers any proxy passes a cancel request on.
func TestCancel_ThroughAnotherProxy(t *testing.T) {
	s, silent := serve(t, Options{}), fakeServer(t, "elsewhere")
	other := serve(t, Options{Upstream: "postgres://" + silent.Addr() + "," + pgtest.Shared(t).Addr() + "/?sslmode=prefer"})
	testCancelBy(t, proxyURL(s, "postgres"), func(c *pgconn.PgConn) {
		p, err := (&pgproto3.CancelRequest{ProcessID: c.PID(), SecretKey: c.SecretKey()}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dial(t, other), p)
	})
	<-silent.canceled // every server was asked
	eventually(t, "both are counted", func() bool { return other.Stats().Canceled == 2 })
	if n := s.Stats().Canceled; n != 0 {
		t.Error("passed on by the session's own:", n)
	}
}

// deafJudge does not answer who tells it of a cancel request.
type deafJudge struct{ Judge }

func (deafJudge) Canceled(ctx context.Context, _ string) { <-ctx.Done() }

// A journal or a server that does not answer keeps no cancel request from the others.
func TestCancel_ThroughAnotherProxyWhoseJournalAndServerHang(t *testing.T) {
	hung, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	const never = time.Hour
	s := serve(t, Options{})
	other := serve(t, Options{Judge: deafJudge{}, StartupTimeout: never, ConnectTimeout: never,
		Upstream: "postgres://" + hung.Addr().String() + "," + pgtest.Shared(t).Addr() + "/?sslmode=disable"})
	testCancelBy(t, proxyURL(s, "postgres"), func(c *pgconn.PgConn) {
		p, err := (&pgproto3.CancelRequest{ProcessID: c.PID(), SecretKey: c.SecretKey()}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dial(t, other), p)
	})
}

func testCancelBy(t *testing.T, url string, cancel func(*pgconn.PgConn)) {
	ctx := t.Context()
	c, watcher := connect(t, url), connect(t, url)
	pid := c.PgConn().PID()
	done := make(chan error)
	go func() {
		_, err := c.Exec(ctx, "SELECT pg_sleep(600)")
		done <- err
	}()
	eventually(t, "the query runs", func() bool {
		var n int
		err := watcher.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", pid).Scan(&n)
		return err == nil && n == 1
	})
	cancel(c.PgConn())
	if pe := new(pgconn.PgError); !errors.As(<-done, &pe) || pe.Code != "57014" {
		t.Fatal("the query was not cancelled")
	}
}

func testFunctionCall(t *testing.T, url string) {
	f := connect(t, url).PgConn().Frontend()
	f.Send(&pgproto3.FunctionCall{Function: 1598 /* random() */, ResultFormatCode: 1})
	f.Send(&pgproto3.FunctionCall{Function: 4294967295})
	flush(t, f)
	expect(t, f, "VZEZ")
}

func flush(t *testing.T, f *pgproto3.Frontend) {
	t.Helper()
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
}

// expect reads messages of the given types.
func expect(t *testing.T, f *pgproto3.Frontend, types string) {
	t.Helper()
	for i := range types {
		m, err := f.Receive()
		if err != nil {
			t.Fatalf("%v, wanted %q after %q", err, types[i:], types[:i])
		}
		b, err := m.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		if b[0] != types[i] {
			t.Fatalf("got %T, wanted %q after %q", m, types[i:], types[:i])
		}
	}
}

// eventually waits for a condition that another process brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out: ", what)
		}
	}
}
