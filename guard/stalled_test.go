package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/budget"
)

// A client that stops with what others need is ended for them, wherever it stops; one that
// waits for the server is not.
func TestNoRoom_ClientsThatStop(t *testing.T) {
	ctx := context.Background()
	long, other := strings.Repeat("x", 5<<19), "SELECT length('"+strings.Repeat("x", 1900<<10)+"')"
	judged := "DELETE FROM small WHERE id = 0 OR '' = '" + long[:150<<10] + "'"
	messages := func(messages ...pgproto3.FrontendMessage) (all []byte) {
		for _, m := range messages {
			var err error
			if all, err = m.Encode(all); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	half := func(m pgproto3.FrontendMessage) []byte {
		b := messages(m)
		return b[:len(b)*3/4]
	}
	const hears, cut, stays = "it is told", "it is cut off", "it stays"
	for _, do := range []struct {
		name  string
		sends []byte
		then  string
	}{
		{"amid a Query", half(&pgproto3.Query{String: "INSERT INTO t VALUES (0, '" + long + "')"}), hears},
		{"amid a Parse", half(&pgproto3.Parse{Query: "INSERT INTO t VALUES (0, '" + long + "')"}), hears},
		{"amid a row", messages(&pgproto3.Query{String: "DELETE FROM t RETURNING *"}), cut},
		{"between portions of rows", messages(&pgproto3.Parse{Query: "DELETE FROM many RETURNING v"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Flush{}), hears},
		{"amid an earlier answer", messages(&pgproto3.Query{String: "SELECT repeat('x', 10000) FROM generate_series(1, 100000)"}, &pgproto3.Query{String: judged}), cut},
		{"never, but the server works", messages(&pgproto3.Query{String: "SELECT pg_sleep(100); " + judged}), stays},
	} {
		t.Run(do.name, func(t *testing.T) {
			m := budget.New(3 << 20)
			m.Stalled = time.Millisecond
			e := newEnv(t, policy.Uniform(policy.Block, 1000), "CREATE TABLE t (id int PRIMARY KEY, v text)", "ALTER TABLE t ALTER v SET STORAGE EXTERNAL",
				"INSERT INTO t SELECT i, repeat('x', 1500000) FROM generate_series(1, 8) i", "CREATE TABLE small (id int PRIMARY KEY)",
				"CREATE TABLE many (id int PRIMARY KEY, v text)", "INSERT INTO many SELECT i, repeat('x', 10000) FROM generate_series(1, 90) i")
			e.within(m)
			stopped := connect(t, e.url, pgx.QueryExecModeExec)
			c := stopped.PgConn().Conn()
			if err := c.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(do.sends); err != nil {
				t.Fatal(err)
			}
			w := e.watch()
			at := func(condition string) (is bool) {
				if err := w.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1"+condition+")", stopped.PgConn().PID()).Scan(&is); err != nil {
					t.Fatal(err)
				}
				return is
			}
			soon(t, "it has room", func() bool { return m.Used() > 700<<10 })
			if do.name == "amid a row" { // before, it waits for room itself
				soon(t, "all rows are there", func() bool { return at(" AND wait_event = 'ClientRead'") })
			}
			o := connect(t, e.url, pgx.QueryExecModeSimpleProtocol)
			if do.then == stays {
				_, err := o.Exec(ctx, other)
				var refused *pgconn.PgError
				if !errors.As(err, &refused) || refused.Code != "53200" {
					t.Errorf("who waits is told %v", err)
				}
			} else {
				soon(t, "it is ended", func() bool {
					if _, err := o.Exec(ctx, other); err != nil {
						t.Fatal("who waits: ", err)
					}
					return !at("")
				})
				if err := c.SetReadDeadline(time.Now().Add(pollTime)); err != nil {
					t.Fatal(err)
				}
				said, err := io.ReadAll(c)
				if late := net.Error(nil); errors.As(err, &late) && late.Timeout() || strings.Contains(string(said), "VFATAL\x00C53200") != (do.then == hears) {
					t.Errorf("it hears %v, and …%.300q", err, said[max(0, len(said)-300):])
				}
			}
			c.Close()
			countRows(t, e, fmt.Sprintf("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = %d", stopped.PgConn().PID()))
			o.PgConn().Conn().Close()
			soon(t, "all is given back", func() bool { return m.Used() == 0 })
		})
	}
}

// soon waits until something is so.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(pollTime); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", pollTime, what)
		}
	}
}
