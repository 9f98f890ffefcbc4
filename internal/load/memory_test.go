package load

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

const mib = 1 << 20

// peak is the most memory that the process has had, in bytes.
func (p *proxy) peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// within fails the test if the process has ever taken more than twice its max-memory:
// that is for the collector, which is told of it, and not for what it has not got to yet.
func (p *proxy) within(t *testing.T, limit int64) {
	t.Helper()
	n := p.peak(t)
	t.Logf("it took %d MiB at most", n/mib)
	if n > 2*limit {
		t.Errorf("%d MiB, with max-memory of %d MiB", n/mib, limit/mib)
	}
}

// send sends the packet of a query, or the first part of it.
func (c *client) send(sql string, part int) error {
	packet, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		return err
	}
	if part > 0 {
		packet = packet[:part]
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = c.conn.Write(packet)
	return err
}

// answer reads up to ReadyForQuery, and says what came: an error's SQLSTATE, and how many
// bytes of rows.
func (c *client) answer() (code string, rows int64, err error) {
	for {
		var header [5]byte
		if _, err := io.ReadFull(c, header[:]); err != nil {
			return code, rows, err
		}
		size := int64(binary.BigEndian.Uint32(header[1:])) - 4
		switch header[0] {
		case 'E':
			body := make([]byte, size)
			if _, err := io.ReadFull(c, body); err != nil {
				return "", 0, err
			}
			var e pgproto3.ErrorResponse
			if err := e.Decode(body); err != nil {
				return "", 0, err
			}
			if code = e.Code; code == "53200" && !strings.Contains(e.Hint, "max-memory") {
				return code, rows, fmt.Errorf("no word of max-memory: %q", e.Hint)
			}
			continue
		case 'D':
			rows += size
		}
		if _, err := io.CopyN(io.Discard, c, size); err != nil {
			return code, rows, err
		}
		if header[0] == 'Z' {
			return code, rows, nil
		}
	}
}

func open(t *testing.T, p *proxy) *client {
	t.Helper()
	c, code, err := begin(p.addr)
	if err != nil || code != "" {
		t.Fatal(code, err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// However many sessions send long messages, stop amid them, or do not read long rows: the
// process stays within max-memory. Who finds no room is told so and may go on; who needs
// little is not concerned, and what was refused is not done.
func TestMemory(t *testing.T) {
	const limit, long, each, stops = 128 * mib, 8 * mib, 12, 2
	c := pgtest.Shared(t)
	pgtest.Exec(t, c.URL("postgres"), "DROP TABLE IF EXISTS wide, small", "CREATE TABLE wide (id int PRIMARY KEY, v text)", "CREATE TABLE small (id int PRIMARY KEY)",
		"ALTER TABLE wide ALTER v SET STORAGE EXTERNAL", fmt.Sprintf("INSERT INTO wide SELECT i, repeat('x', %d) FROM generate_series(1, %d) i", long, each),
		"INSERT INTO small SELECT generate_series(1, 10000)")
	p := serve(t, 0, c.Addr(), "--max-memory", strconv.Itoa(limit))
	text := strings.Repeat("x", long)

	stalled := make([]*client, stops)
	for i := range stalled {
		stalled[i] = open(t, p)
		if err := stalled[i].send("INSERT INTO wide VALUES (0, '"+text+text+"')", long+long/2); err != nil {
			t.Fatal(err)
		}
	}
	slow := make([]*client, each)
	for i := range slow {
		slow[i] = open(t, p)
		if err := slow[i].conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		if err := slow[i].send(fmt.Sprintf("DELETE FROM wide WHERE id = %d RETURNING *", i+1), 0); err != nil {
			t.Fatal(err)
		}
	}
	var written, refused, honest atomic.Int64
	all(t, 2*each, 2*each, func(i int) error {
		one, code, err := begin(p.addr)
		if err != nil || code != "" {
			return fmt.Errorf("%q, %w", code, err)
		}
		defer one.conn.Close()
		if i%2 == 0 { // small ones go on all the time
			for n := range 50 {
				if err := one.query(fmt.Sprintf("DELETE FROM small WHERE id = %d", 1+i*50+n)); err != nil {
					return err
				}
				honest.Add(1)
			}
			return nil
		}
		if err := one.query("BEGIN"); err != nil {
			return err
		}
		if err := one.send(fmt.Sprintf("INSERT INTO wide VALUES (%d, '%s')", 100+i, text), 0); err != nil {
			return err
		}
		switch code, _, err := one.answer(); {
		case err != nil:
			return err
		case code == "53200":
			refused.Add(1)
			if err := one.query("SELECT 1"); err == nil || !strings.Contains(err.Error(), "25P02") {
				return fmt.Errorf("its transaction goes on: %v", err)
			}
			if _, _, err := one.answer(); err != nil {
				return err
			}
		case code == "":
			written.Add(1)
		default:
			return fmt.Errorf("SQLSTATE %s", code)
		}
		return one.query("COMMIT")
	})
	t.Logf("%d long ones were refused, %d written; %d short ones", refused.Load(), written.Load(), honest.Load())
	if refused.Load() == 0 {
		t.Error("there was room for all")
	}
	for _, one := range stalled {
		one.conn.Close()
	}
	gone := 0
	for i, one := range slow {
		code, rows, err := one.answer()
		if ok := code == "53200" || err == nil && code == "" && rows > long; !ok { // it may be the session's end, too
			t.Fatalf("%d: %q, %d bytes of rows, %v", i, code, rows, err)
		}
		if code == "" {
			gone++
		}
		one.conn.Close()
	}
	t.Logf("%d rows were deleted and read", gone)
	p.within(t, limit)

	one := open(t, p) // it is all given back
	if err := one.query("INSERT INTO wide VALUES (50, '" + text + text + "')"); err != nil {
		t.Error(err)
	}
	if err := one.query(fmt.Sprintf("SELECT 1/(count(*) = %d)::int FROM wide WHERE id <> 0", each-gone+int(written.Load())+1)); err != nil {
		t.Error(err)
	}
}

// One deletion of very much takes little memory, whether its rows go to the client as they
// come or wait for the verdict.
func TestMemory_HugeDeletion(t *testing.T) {
	const limit = 64 * mib
	c := pgtest.Shared(t)
	for name, do := range map[string]struct {
		flags        []string
		fill, delete string
		rows         int64
	}{
		"keys": {nil, "SELECT i, '' FROM generate_series(1, 500000) i", "DELETE FROM huge", 0},
		"rows": {nil, "SELECT i, repeat('x', 100000) FROM generate_series(1, 2500) i", "DELETE FROM huge RETURNING *", 250e6},
		"rows as they come": {[]string{"--mode", "alert"}, "SELECT i, repeat('x', 100000) FROM generate_series(1, 2500) i",
			"DELETE FROM huge RETURNING *", 250e6},
	} {
		t.Run(name, func(t *testing.T) {
			pgtest.Exec(t, c.URL("postgres"), "DROP TABLE IF EXISTS huge", "CREATE TABLE huge (id int PRIMARY KEY, v text)", "INSERT INTO huge "+do.fill)
			p := serve(t, 0, c.Addr(), append([]string{"--max-memory", strconv.Itoa(limit), "--threshold", "1000000"}, do.flags...)...)
			one := open(t, p)
			if err := one.send(do.delete, 0); err != nil {
				t.Fatal(err)
			}
			if code, rows, err := one.answer(); err != nil || code != "" || rows < do.rows {
				t.Errorf("%q, %d bytes of rows, %v", code, rows, err)
			}
			p.within(t, limit)
		})
	}
}
