package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// copies runs a marked Query, and gives its COPY FROM STDIN the client's data.
func copies(ctx context.Context, w Wire, typ byte, body []byte) error {
	if _, err := w.Quiesce(ctx); err != nil {
		return err
	}
	was := bytes.Clone(body)
	w.Send(typ, body)
	for {
		typ, answer, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		if err := w.Reply(typ, answer); err != nil || typ == 'Z' {
			return err
		}
		if typ != 'G' {
			continue
		}
		if err := w.CopyIn(ctx); err != nil {
			return err
		}
		if !bytes.Equal(body, was) {
			return errors.New("the message under judgement was overwritten")
		}
	}
}

const copyTable = `CREATE TABLE t (id int, v text);
CREATE FUNCTION said() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', repeat('x', NEW.id); RETURN NEW; END $$;
CREATE TRIGGER said BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION said();`

func TestWire_CopyIn(t *testing.T) {
	for name, o := range underTLS(t) {
		t.Run(name, func(t *testing.T) {
			o.Judge = onMarked{do: copies}
			s := serve(t, o)
			url := proxyURL(s, "postgres")
			if o.TLS != nil {
				url = strings.Replace(url, "sslmode=disable", "sslmode=require", 1)
			}
			c := connect(t, url)
			if _, err := c.Exec(t.Context(), strings.NewReplacer("TABLE", "TEMP TABLE", "said()", "pg_temp.said()").Replace(copyTable)); err != nil {
				t.Fatal(err)
			}
			long, rows := "0\tsome text to fill several buffers\n", 20_000
			loud := "1000\t" + strings.Repeat("y", 500) + "\n" // of which the server says more than all buffers hold
			for _, data := range []string{strings.Repeat(long, rows), strings.Repeat("x\n", rows), strings.Repeat(loud, rows), strings.Repeat(long, rows)} {
				tag, err := c.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY t /* marked */ FROM STDIN")
				if bad := data[0] == 'x'; bad != (err != nil) || !bad && tag.RowsAffected() != int64(rows) {
					t.Fatal(tag, err)
				}
			}
			if _, err := c.Exec(t.Context(), "DROP TABLE t"); err != nil {
				t.Fatal(err)
			}
			testQueries(t, c)
		})
	}
}

// What a client sends amid its COPY data, and when it hears of that.
func TestWire_CopyInMessages(t *testing.T) {
	db := pgtest.Database(t, copyTable)
	row := func(s string) []byte { return frame(&pgproto3.CopyData{Data: []byte(s)}) }
	done, half := frame(&pgproto3.CopyDone{}), row(strings.Repeat("0\tx\n", 20_000))
	for name, c := range map[string]struct {
		data  [][]byte // after each but the last the client waits for a message, where it can get one
		want  string
		after string
	}{
		"sync and flush are ignored": {[][]byte{bytes.Join([][]byte{syncFrame, row("0\tx\n"), frame(&pgproto3.Flush{}), syncFrame, row("0\ty\n"), done}, nil)}, "CZ", "2"},
		"a notice comes at once":     {[][]byte{row("1\tx\n"), done}, "NCZ", "1"},
		"an error comes at once":     {[][]byte{row("x\n"), nil}, "EZ", "0"},
		"an error amid a message":    {[][]byte{append(row("x\n"), half[:len(half)/2]...), append(half[len(half)/2:], done...)}, "EZ", "0"},
		"data behind an error":       {[][]byte{append(row("x\n"), half...), append(half, done...)}, "EZ", "0"},
		"the client fails":           {[][]byte{append(row("0\tx\n"), frame(&pgproto3.CopyFail{Message: strings.Repeat("no", 4000)})...)}, "EZ", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{Judge: onMarked{do: copies}})
			direct := connect(t, pgtest.Shared(t).URL("postgres"))
			conn := rawSessionTo(t, s, db)
			write(t, conn, query("TRUNCATE t"))
			readUntil(t, conn, 'Z')
			write(t, conn, query("COPY t /* marked */ FROM STDIN"))
			readUntil(t, conn, 'G')
			got := ""
			for i, data := range c.data {
				write(t, conn, data)
				switch {
				case i == len(c.data)-1:
				case strings.HasSuffix(name, "amid a message"): // it is said when that is complete
					for state := ""; state != "idle"; {
						if err := direct.QueryRow(t.Context(), "SELECT state FROM pg_stat_activity WHERE datname = $1 AND query LIKE 'COPY t%'", db).Scan(&state); err != nil {
							t.Fatal(err)
						}
					}
				default:
					types, _ := readUntil(t, conn, c.want[i])
					got += types
				}
			}
			types, _ := readUntil(t, conn, 'Z')
			if got += types; got != c.want {
				t.Errorf("the client saw %s, want %s", got, c.want)
			}
			write(t, conn, query("SELECT count(*)::text FROM t"))
			if _, rows := readUntil(t, conn, 'D'); !strings.HasSuffix(string(rows), c.after) {
				t.Errorf("then %q rows are there, want %s", rows, c.after)
			}
		})
	}
}

// CopyIn ends with its session's client, with its context, and with what cannot come amid
// data, of which the server says what it is.
func TestWire_CopyInEnds(t *testing.T) {
	for name, c := range map[string]struct {
		send []byte // instead of data; nil: the client goes
		want func(error) bool
	}{
		"the client goes":        {nil, func(err error) bool { return errors.Is(err, errClientGone) }},
		"another message":        {query("SELECT 1"), func(err error) bool { return err == nil }},
		"a length that is wrong": {[]byte("d\x00\x00\x00\x01"), func(err error) bool { return strings.Contains(fmt.Sprint(err), "invalid length") }},
		"the context ends":       {frame(&pgproto3.CopyData{Data: []byte("0\tx\n")}), func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		t.Run(name, func(t *testing.T) {
			db := pgtest.Database(t, copyTable)
			result := make(chan error, 1)
			s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
				if _, err := w.Quiesce(ctx); err != nil {
					return err
				}
				w.Send(typ, body)
				if err := receive(ctx, w, "G"); err != nil {
					return err
				}
				short, cancel := context.WithCancel(ctx)
				defer cancel()
				if name == "the context ends" {
					cancel()
				}
				err := w.CopyIn(short)
				result <- err
				return err
			}}})
			conn := rawSessionTo(t, s, db)
			write(t, conn, query("COPY t /* marked */ FROM STDIN"))
			if c.send == nil {
				conn.Close()
			} else {
				write(t, conn, c.send)
			}
			if err := <-result; !c.want(err) {
				t.Error(err)
			}
		})
	}
}

func rawSessionTo(t *testing.T, s *Server, db string) net.Conn {
	t.Helper()
	c := dial(t, s)
	write(t, c, packet(3<<16, "user\x00postgres\x00database\x00"+db+"\x00\x00"))
	readUntil(t, c, 'Z')
	return c
}
