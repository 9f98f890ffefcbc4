package guard_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
)

// loud may delete for each row that is copied into it, and so its COPY is guarded; it says something of each.
const loud = `CREATE TABLE loud (id int PRIMARY KEY, a text);
CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id < 0 THEN DELETE FROM plain WHERE id = -NEW.id; END IF; RAISE NOTICE '%', repeat('x', 2000); RETURN NEW; END $$;
CREATE TRIGGER loud BEFORE INSERT ON loud FOR EACH ROW EXECUTE FUNCTION loud();`

// copying begins a COPY FROM STDIN.
func copying(t *testing.T, url string) *raw {
	t.Helper()
	r := dialRaw(t, url)
	r.Send(&pgproto3.Query{String: "SET application_name = 'copying'"})
	r.answers(1)
	r.Send(&pgproto3.Query{String: "COPY loud FROM STDIN"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := r.until(t, 'G'); got != "G" {
		t.Fatalf("the client saw %s", got)
	}
	return r
}

// until reads up to a message of one of the types, and returns the types of what came but for repetitions.
func (r *raw) until(t *testing.T, types ...byte) string {
	t.Helper()
	var got []byte
	for {
		m, err := r.Receive()
		if err != nil {
			t.Fatalf("after %s: %v", got, err)
		}
		typ := byte('?')
		switch m.(type) {
		case *pgproto3.CopyInResponse:
			typ = 'G'
		case *pgproto3.NoticeResponse:
			typ = 'N'
		case *pgproto3.ErrorResponse:
			typ = 'E'
		case *pgproto3.CommandComplete:
			typ = 'C'
		case *pgproto3.ReadyForQuery:
			typ = 'Z'
		}
		if len(got) == 0 || got[len(got)-1] != typ {
			got = append(got, typ)
		}
		if strings.IndexByte(string(types), typ) >= 0 {
			return string(got)
		}
	}
}

func (r *raw) copyData(t *testing.T, data string) {
	t.Helper()
	r.Send(&pgproto3.CopyData{Data: []byte(data)})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
}

// What the server says amid the data of a guarded COPY FROM STDIN reaches the client then.
func TestCopyIn_WhatTheServerSaysAmidTheData(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, loud)
	for name, c := range map[string]struct {
		do   func(*testing.T, *raw)
		want string
		goes bool // the session goes on
	}{
		"a row is refused": {func(t *testing.T, r *raw) { r.copyData(t, "x\ty\n"+strings.Repeat("1\ty\n", 20_000)) }, "E", true},
		"the server ends it": {func(t *testing.T, r *raw) {
			mustExec(t, connect(t, e.direct, pgx.QueryExecModeExec), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'copying'")
		}, "E", false},
		"a notice": {func(t *testing.T, r *raw) { r.copyData(t, rowsOf(5)) }, "N", true},
	} {
		for via, url := range map[string]string{"direct": e.direct, "proxy": e.url} {
			t.Run(name+", "+via, func(t *testing.T) {
				mustExec(t, connect(t, e.direct, pgx.QueryExecModeExec), "TRUNCATE loud")
				r := copying(t, url)
				c.do(t, r)
				if got := r.until(t, 'N', 'E'); got != c.want {
					t.Fatalf("the client saw %s", got)
				}
				if !c.goes {
					return
				}
				r.Send(&pgproto3.CopyDone{})
				if err := r.Flush(); err != nil {
					t.Fatal(err)
				}
				if got := r.until(t, 'Z'); got != "Z" && got != "CZ" && got != "NCZ" {
					t.Errorf("then the client saw %s", got)
				}
				r.Send(&pgproto3.Query{String: "SELECT 1"})
				r.answers(1)
			})
		}
	}
}

// rowsOf are n rows of 1,000 bytes each.
func rowsOf(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Join([]string{strconv.Itoa(i + 1), strings.Repeat("y", 1000)}, "\t") + "\n")
	}
	return b.String()
}

// A server that says more than the buffers between hold is listened to while the data goes there.
func TestCopyIn_ManyNotices(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, loud)
	data := rowsOf(25_000)
	c := connect(t, e.url, pgx.QueryExecModeExec)
	tag, err := c.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY loud FROM STDIN")
	if err != nil || tag.RowsAffected() != 25_000 {
		t.Fatal(tag, err)
	}
}

// A client that goes away amid its data leaves nothing behind.
func TestCopyIn_TheClientGoes(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, loud)
	for name, leave := range map[string]func(*raw) error{
		"closes": func(r *raw) error { return r.conn.Close() },
		"terminates": func(r *raw) error {
			r.Send(&pgproto3.Terminate{})
			return errors.Join(r.Flush(), r.conn.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := copying(t, e.url)
			r.copyData(t, rowsOf(3)+"-1\ty\n")
			r.until(t, 'N')
			if err := leave(r); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(20 * time.Second); countRows(t, e, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'copying'") > 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("its server process is there still")
				}
			}
			if n := countRows(t, e, "SELECT count(*) FROM loud"); n != 0 {
				t.Errorf("%d rows stayed", n)
			}
		})
	}
}
