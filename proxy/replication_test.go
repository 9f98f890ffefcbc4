package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestSession_Replication(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true, Settings: []string{"wal_level=logical"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	var judged atomic.Int32
	s := serve(t, Options{Upstream: c.Addr(), Judge: judgeFunc(func(ctx context.Context, w Wire, typ byte, body []byte) error {
		judged.Add(1)
		return quiesceAndForward(ctx, w, typ, body)
	})})
	physical, err := pgconn.Connect(t.Context(), proxyURL(s, "postgres")+"&replication=yes")
	if err != nil {
		t.Fatal(err)
	}
	defer physical.Close(t.Context())
	if _, err := physical.Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll(); err != nil || judged.Load() != 0 {
		t.Fatalf("%v; %d messages judged of a connection that takes no SQL", err, judged.Load())
	}
	pgtest.Exec(t, c.URL("postgres"), "CREATE TABLE t (id int)", "SELECT pg_create_logical_replication_slot('slot', 'test_decoding')", "INSERT INTO t VALUES (42)")
	conn, err := pgconn.Connect(t.Context(), proxyURL(s, "postgres")+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll(); err != nil {
		t.Fatal(err)
	}
	f := conn.Frontend()
	f.Send(&pgproto3.Query{String: "START_REPLICATION SLOT slot LOGICAL 0/0"})
	flush(t, f)
	expect(t, f, "W")
	for {
		m, err := f.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := m.(*pgproto3.CopyData); ok && strings.Contains(string(d.Data), "id[integer]:42") {
			break
		}
	}
	status := append([]byte{'r'}, make([]byte, 33)...)
	f.Send(&pgproto3.CopyData{Data: status})
	f.Send(&pgproto3.CopyDone{})
	flush(t, f)
	for {
		m, err := f.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	if judged.Load() != 2 {
		t.Errorf("%d messages judged, there were 2 Queries", judged.Load())
	}
}

// Over a physical replication connection the answers and the WAL are the server's, byte for byte.
func TestReplication_TheWALIsTheServers(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true, Settings: []string{"wal_level=replica"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	sql := connect(t, c.URL("postgres"))
	var from, to uint64
	var start string
	const lsn = "(pg_current_wal_flush_lsn() - '0/0')::bigint"
	if err := sql.QueryRow(t.Context(), "SELECT "+lsn+", pg_current_wal_flush_lsn()::text").Scan(&from, &start); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, c.URL("postgres"), "CREATE TABLE t AS SELECT i, repeat('x', 1000) FROM generate_series(1, 2000) i", "SELECT pg_switch_wal()")
	if err := sql.QueryRow(t.Context(), "SELECT "+lsn).Scan(&to); err != nil {
		t.Fatal(err)
	}
	read := func(url string) (said []string, wal []byte) {
		conn, err := pgconn.Connect(t.Context(), url+"&replication=yes")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		f := conn.Frontend()
		f.Send(&pgproto3.Query{String: "START_REPLICATION PHYSICAL " + start + " TIMELINE 1"})
		flush(t, f)
		for len(wal) < int(to-from) {
			m, err := f.Receive()
			if err != nil {
				t.Fatalf("%v after %d of %d bytes, %q", err, len(wal), to-from, said)
			}
			d, ok := m.(*pgproto3.CopyData)
			if !ok {
				said = append(said, fmt.Sprintf("%#v", m))
			} else if d.Data[0] == 'w' { // where it begins, where the WAL ends, the time
				if at := binary.BigEndian.Uint64(d.Data[1:]); at != from+uint64(len(wal)) {
					t.Fatalf("WAL of %x, want %x", at, from+uint64(len(wal)))
				}
				wal = append(wal, d.Data[25:]...)
			}
		}
		return said, wal[:to-from]
	}
	want, wantWAL := read(c.URL("postgres"))
	for way, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
		s := serve(t, Options{Upstream: c.Addr(), Judge: judge})
		got, wal := read(proxyURL(s, "postgres"))
		if fmt.Sprint(got) != fmt.Sprint(want) || !bytes.Equal(wal, wantWAL) {
			t.Errorf("%s: said %q, %d bytes; the server says %q, %d bytes; the same WAL: %v", way, got, len(wal), want, len(wantWAL), bytes.Equal(wal, wantWAL))
		}
	}
}
