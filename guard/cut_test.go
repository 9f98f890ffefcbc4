package guard_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/journal"
)

// cutting is a way to the server on which, once armed, the Close that follows so many
// others is answered as one is that a cancel request meets.
func cutting(t *testing.T) (addr string, after *atomic.Int64) {
	t.Helper()
	after = &atomic.Int64{}
	after.Store(-1)
	var instead []byte
	for _, m := range pbe("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)") {
		var err error
		if instead, err = m.Encode(instead); err != nil {
			t.Fatal(err)
		}
	}
	return between(t, func(c, s net.Conn) {
		go func() { _, _ = io.Copy(c, s) }()
		for header := 4; ; header = 5 { // the startup packet has no type
			b := make([]byte, header)
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			rest := make([]byte, binary.BigEndian.Uint32(b[header-4:])-4)
			if _, err := io.ReadFull(c, rest); err != nil {
				return
			}
			if b = append(b, rest...); header == 5 && b[0] == 'C' && after.Load() >= 0 && after.Add(-1) < 0 {
				b = instead
			}
			if _, err := s.Write(b); err != nil {
				return
			}
		}
	}), after
}

// A cancel request can come between a statement and the messages that clear up behind
// it. The client is told what the server says, and the session goes on.
func TestCut_BehindAStatement(t *testing.T) {
	del := "DELETE FROM plain WHERE id <= 3"
	for name, c := range map[string]struct {
		send   messages
		closes int // of one try, at most
	}{
		"deletion":            {q(del), 8},
		"plain, deletion":     {q("SELECT 1; " + del), 10},
		"deletion, plain":     {q(del + "; SELECT 1"), 10},
		"block":               {q("BEGIN; " + del + "; COMMIT; SELECT 2"), 16},
		"deletion by Execute": {cat(pbe(del), syncMsg), 8},
		"bound again":         {cat(parse("d", del), bind("", "d"), parse("x", "SELECT 1"), bind("", "x"), execute("", 0), syncMsg), 20},
		"batch":               {cat(batch("b", onePlain, true, numbers(1, 3)...), syncMsg), 8},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			way, after := cutting(t)
			addr, _ := startProxy(t, way, e.judge, slog.New(slog.DiscardHandler))
			url := fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, e.database)
			before, cuts := e.keys(), 0
			for n := range c.closes {
				r := dialRaw(t, url)
				r.Send(&pgproto3.Query{String: "SELECT 1"}) // the catalog is looked at here
				r.answers(1)
				after.Store(int64(n))
				for _, m := range c.send {
					r.Send(m)
				}
				said := strings.Join(r.answers(1), "\n")
				if after.Swap(-1) < 0 {
					cuts++
					if !strings.Contains(said, `"57014"`) {
						t.Errorf("cut at Close %d the client is told %s", n, said)
					}
				}
				r.Send(&pgproto3.Query{String: "ROLLBACK"})
				r.Send(&pgproto3.Query{String: "SELECT name FROM pg_prepared_statements WHERE name NOT IN ('b', 'd', 'x')"})
				if said := strings.Join(r.answers(2), "\n"); !strings.Contains(said, `SELECT 0`) {
					t.Errorf("after a cut at Close %d: %s", n, said)
				}
				gone := minus(before, e.keys())
				equal(t, fmt.Sprintf("journalled, cut at Close %d", n), e.journalled(), gone)
				if doubt := e.entries(journal.Filter{Outcome: journal.InDoubt}); len(doubt) > 0 {
					t.Errorf("cut at Close %d, in doubt: %+v", n, doubt)
				}
				r.conn.Close()
			}
			if cuts == 0 {
				t.Error("nothing was cut")
			}
		})
	}
}
