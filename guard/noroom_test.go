package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/proxy"
)

// within starts one more proxy, which has that much memory for messages.
func (e *env) within(m *budget.Budget) {
	e.t.Helper()
	judge, err := guard.New(e.t.Context(), guard.Options{Policy: policy.Uniform(policy.Block, 100), Journal: e.journal, Proxy: "test", Metrics: e.metrics, Memory: m})
	if err != nil {
		e.t.Fatal(err)
	}
	s, err := proxy.New(proxy.Options{Listen: "127.0.0.1:0", Loops: 1, Upstream: pgtest.Shared(e.t).URL("postgres"), Judge: judge, Memory: m})
	if err != nil {
		e.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		e.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			e.t.Error(err)
		}
	})
	e.url = fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", s.Addr(), e.database)
}

// What finds no room fails as a statement does in the server: its transaction with it, and
// nothing else. Nothing of it is done, and afterwards all is given back.
func TestNoRoom(t *testing.T) {
	const room = 1 << 20
	m := budget.New(room)
	e := newEnv(t, policy.Uniform(policy.Block, 100), "CREATE TABLE t (id int PRIMARY KEY, v text)", "ALTER TABLE t ALTER v SET STORAGE EXTERNAL",
		"INSERT INTO t SELECT i, repeat('x', 4 << 20) FROM generate_series(1, 5) i", "CREATE TABLE small (id int PRIMARY KEY)", "INSERT INTO small SELECT generate_series(1, 100)")
	e.within(m)
	long, ok := strings.Repeat("x", 2<<20), strings.Repeat("x", 300<<10)
	ctx := context.Background()
	for name, do := range map[string]func(c *pgx.Conn) error{
		"a Query": func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "INSERT INTO t VALUES (6, '"+long+"')", pgx.QueryExecModeSimpleProtocol)
			return err
		},
		"a Query that is parsed": func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DELETE FROM t WHERE v = '"+ok+"' OR id = 1", pgx.QueryExecModeSimpleProtocol)
			return err
		},
		"a Parse": func(c *pgx.Conn) error {
			_, err := c.Prepare(ctx, "long", "INSERT INTO t VALUES ($1, '"+long+"')")
			return err
		},
		"a Bind": func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DELETE FROM t WHERE id = 1 OR v = $1", pgx.QueryExecModeExec, long)
			return err
		},
		"a row": func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DELETE FROM t WHERE id = 1 RETURNING *", pgx.QueryExecModeExec)
			return err
		},
		"a row of a Query": func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DELETE FROM t WHERE id = 1 RETURNING *", pgx.QueryExecModeSimpleProtocol)
			return err
		},
		"a row of COPY": func(c *pgx.Conn) error {
			_, err := c.PgConn().CopyTo(ctx, io.Discard, "COPY (DELETE FROM t WHERE id = 1 RETURNING *) TO STDOUT")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, e.url, pgx.QueryExecModeExec)
			defer c.Close(ctx)
			check := func(when string, err error) {
				t.Helper()
				var p *pgconn.PgError
				if !errors.As(err, &p) || p.Code != "53200" || p.Severity != "ERROR" || !strings.Contains(p.Hint, "max-memory") {
					t.Fatalf("%s: %v", when, err)
				}
			}
			check("by itself", do(c))
			if s := c.PgConn().TxStatus(); s != 'I' {
				t.Errorf("status %c", s)
			}
			tx, err := c.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, "DELETE FROM small WHERE id < 5"); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, "SAVEPOINT a"); err != nil {
				t.Fatal(err)
			}
			check("in a block", do(c))
			if s := c.PgConn().TxStatus(); s != 'E' {
				t.Errorf("status %c in a block", s)
			}
			if _, err := tx.Exec(ctx, "ROLLBACK TO a"); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, "DELETE FROM small WHERE id = 5"); err != nil {
				t.Fatal(err)
			}
			if err := tx.Rollback(ctx); err != nil {
				t.Fatal(err)
			}
			var left string
			if err := c.QueryRow(ctx, "SELECT format('%s %s', (SELECT count(*) FROM t), (SELECT count(*) FROM small))").Scan(&left); err != nil || left != "5 100" {
				t.Errorf("%s rows are left, %v", left, err)
			}
			if n := m.Used(); n != 0 {
				t.Errorf("%d bytes are not given back", n)
			}
		})
	}
	c := connect(t, e.url, pgx.QueryExecModeExec)
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, "INSERT INTO t VALUES (7, '"+ok+"')", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Error("there is room for this: ", err)
	}
	if _, err := c.Exec(ctx, fmt.Sprintf("DELETE FROM small WHERE id < %d", 50)); err != nil {
		t.Error(err)
	}
}

// What is prepared without end takes room, too, until it is gone.
func TestNoRoom_Prepared(t *testing.T) {
	ctx := context.Background()
	m := budget.New(2 << 20)
	e := newEnv(t, policy.Uniform(policy.Block, 100), "CREATE TABLE t (id int PRIMARY KEY)")
	e.within(m)
	c := connect(t, e.url, pgx.QueryExecModeExec)
	pad := strings.Repeat("x", 60<<10)
	prepare := func(n int) error {
		_, err := c.Prepare(ctx, fmt.Sprint("s", n), fmt.Sprintf("DELETE FROM t WHERE id = %d AND '%s' <> ''", n, pad))
		return err
	}
	for range 2 {
		n := 0
		var err error
		for ; err == nil && n < 100; n++ {
			err = prepare(n)
		}
		var p *pgconn.PgError
		if !errors.As(err, &p) || p.Code != "53200" || p.Severity != "ERROR" || n<<16 < keptFree {
			t.Fatalf("after %d: %v", n, err)
		}
		if _, err := c.Exec(ctx, "s0"); err != nil {
			t.Error("one that is prepared: ", err)
		}
		if err := c.DeallocateAll(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	soon(t, "all is given back", func() bool { return m.Used() == 0 })
}

// keptFree is what a session may prepare that takes nothing, about.
const keptFree = 1 << 20

// What a query takes as it is read depends on its words, not on its length alone. Most of
// it is given back before it runs; and one that is alone may have more than the budget.
func TestNoRoom_Words(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, policy.Uniform(policy.Block, 100), "CREATE TABLE t (id int, v text)")
	const size = 300 << 10
	words := "INSERT INTO t(id) VALUES (0)" + strings.Repeat(",(1)", size/4) + "; DELETE FROM t WHERE id = 0; SELECT pg_sleep(0.5)"
	few := "INSERT INTO t(id) VALUES (0)" + strings.Repeat(",(1)", 25<<10) + "; DELETE FROM t WHERE id = 0"
	literal := "INSERT INTO t(v) VALUES ('" + strings.Repeat("(1),", size/4) + "'); DELETE FROM t WHERE id = 0"
	for _, do := range []struct {
		name, sql string
		room      int64
		code      string
	}{{"a literal", literal, 8 << 20, ""}, {"words", words, 8 << 20, "53200"}, {"words of a short query", few, 8 << 20, "53200"}, {"words that are alone", words, 80 << 20, ""}} {
		t.Run(do.name, func(t *testing.T) {
			m := budget.New(do.room)
			e.within(m)
			c := connect(t, e.url, pgx.QueryExecModeSimpleProtocol)
			defer c.Close(ctx)
			done := make(chan error, 1)
			go func() {
				_, err := c.Exec(ctx, do.sql, pgx.QueryExecModeSimpleProtocol)
				done <- err
			}()
			most, last := int64(0), int64(0) // while it goes on
			var err error
			for going := true; going; {
				select {
				case err = <-done:
					going = false
				case <-time.After(time.Millisecond):
					if n := m.Used(); n > 0 {
						most, last = max(most, n), n
					}
				}
			}
			var p *pgconn.PgError
			if code := ""; errors.As(err, &p) {
				if code = p.Code; code != do.code {
					t.Fatal(err)
				}
			} else if err != nil || do.code != "" {
				t.Fatalf("it went through: %v", err)
			}
			for end := time.Now().Add(5 * time.Second); m.Used() != 0; time.Sleep(time.Millisecond) { // what was read into goes a moment later
				if time.Now().After(end) {
					t.Fatalf("%d bytes are not given back", m.Used())
				}
			}
			if do.room > 50<<20 && (most < 50<<20 || last > 4<<20) {
				t.Errorf("it took %d bytes, and %d as it ran", most, last)
			}
		})
	}
}
