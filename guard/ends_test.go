package guard_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// An implicit transaction also ends with a Query or a FunctionCall that comes
// where a Sync is due, and with a procedure that commits.
func TestEnds_OfAnImplicitTransactionWithoutSync(t *testing.T) {
	version := messages{&pgproto3.FunctionCall{Function: 89}} // version()
	del := pbe("DELETE FROM plain WHERE id <= 5")
	lingers := pgtest.Shared(t).Version() >= 18 // up to the Sync, which does not come
	for name, c := range map[string]struct {
		exchanges []messages
		outcome   journal.Outcome // "": no entry
	}{
		"Query":                                  {[]messages{cat(del, q("SELECT 1"))}, journal.Committed},
		"Query with DDL":                         {[]messages{cat(del, q("CREATE TABLE made ()"))}, journal.Committed},
		"Query with COPY":                        {[]messages{cat(del, q("COPY tree FROM STDIN"), messages{&pgproto3.CopyDone{}})}, journal.Committed},
		"Query of several":                       {[]messages{cat(del, q("SELECT 1; DELETE FROM plain WHERE id = 6; SELECT 2"))}, journal.Committed},
		"Query that fails":                       {[]messages{cat(del, q("SELECT 1/0"))}, journal.RolledBack},
		"FunctionCall":                           {[]messages{cat(del, version)}, journal.Committed},
		"Query in a block":                       {[]messages{cat(pbe("BEGIN"), del, q("SELECT 1")), q("ROLLBACK")}, ""},
		"Query in a block, committed":            {[]messages{cat(pbe("BEGIN"), del, q("SELECT 1")), q("COMMIT")}, journal.Committed},
		"procedure, then an error":               {[]messages{cat(del, pbe("CALL finish()"), pbe("SELECT 1/0"), syncMsg)}, journal.Committed},
		"DO, then an error":                      {[]messages{cat(del, pbe("DO 'BEGIN COMMIT; END'"), pbe("SELECT 1/0"), syncMsg)}, journal.Committed},
		"procedure that does not, then an error": {[]messages{cat(del, pbe("CALL idle()"), pbe("SELECT 1/0"), syncMsg)}, journal.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop, "CREATE PROCEDURE finish() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'; CREATE PROCEDURE idle() LANGUAGE plpgsql AS 'BEGIN IF false THEN COMMIT; END IF; END'")
			before := e.keys()
			talk(t, e.url, c.exchanges, e.database) // … and goes without a word
			e.look()
			gone := minus(before, e.keys())
			switch es := e.entries(journal.Filter{}); {
			case lingers: // the server says what became of it
				equal(t, "journalled", e.journalled(), gone)
				if doubt := e.entries(journal.Filter{Outcome: journal.InDoubt}); len(doubt) > 0 {
					t.Errorf("in doubt: %+v", doubt)
				}
			case c.outcome == "" || c.outcome == journal.RolledBack:
				equal(t, "gone", gone, nil)
				if len(es) > 0 && es[0].Outcome != journal.RolledBack {
					t.Errorf("entries %+v", es)
				}
			case len(es) != 1 || es[0].Outcome != c.outcome || es[0].Rows != int64(len(gone)) || len(gone) < 5:
				t.Errorf("%d rows gone, entries %+v", len(gone), es)
			default:
				equal(t, "journalled", e.journalled(), gone)
			}
		})
	}
}

// Since PostgreSQL 18 an implicit transaction outlives a Query and a FunctionCall amid a pipeline.
func TestEnds_OfAnImplicitTransactionThatLingers(t *testing.T) {
	version := messages{&pgproto3.FunctionCall{Function: 89}} // version()
	one, del, more := pbe("SELECT 1"), pbe("DELETE FROM plain WHERE id <= 5"), pbe("DELETE FROM plain WHERE id IN (6, 7)")
	for name, c := range map[string]struct {
		exchanges []messages
		gone      int // -1: what PostgreSQL makes of it differs
	}{
		"deletion after a Query":           {[]messages{cat(one, q("SELECT 1"), del, syncMsg)}, 5},
		"deletion after a FunctionCall":    {[]messages{cat(one, version, del, syncMsg)}, 5},
		"deletion before and after":        {[]messages{cat(del, q("SELECT 1"), more, syncMsg)}, 7},
		"failure after it":                 {[]messages{cat(one, q("SELECT 1"), del, pbe("SELECT 1/0"), syncMsg)}, 0},
		"failure after two":                {[]messages{cat(del, q("SELECT 1"), more, pbe("SELECT 1/0"), syncMsg)}, -1},
		"nothing between Query and Sync":   {[]messages{cat(del, q("SELECT 1"), syncMsg), q("SELECT 1")}, -1},
		"Query, deletion, Query":           {[]messages{cat(one, q("SELECT 1"), del, q("SELECT 1"), q("SELECT 2"), syncMsg)}, -1},
		"Query that deletes":               {[]messages{cat(one, q("SELECT 1"), q("DELETE FROM plain WHERE id <= 5"), syncMsg)}, 5},
		"block after it, rolled back":      {[]messages{cat(one, q("SELECT 1"), q("BEGIN"), del, syncMsg), q("ROLLBACK")}, 0},
		"block after it, committed":        {[]messages{cat(one, q("SELECT 1"), q("BEGIN"), del, syncMsg), q("COMMIT")}, 5},
		"block by Execute, rolled back":    {[]messages{cat(one, q("SELECT 1"), pbe("BEGIN"), del, q("SELECT 1"), syncMsg), q("ROLLBACK")}, 0},
		"the next exchange is like others": {[]messages{cat(one, q("SELECT 1"), one, syncMsg), cat(pbe("BEGIN"), del, syncMsg), cat(pbe("ROLLBACK"), syncMsg), cat(del, syncMsg)}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			before := e.keys()
			talk(t, e.url, c.exchanges, e.database) // … and goes without a word
			e.look()
			gone := minus(before, e.keys())
			if c.gone >= 0 && len(gone) != c.gone {
				t.Errorf("gone %v", gone)
			}
			equal(t, "journalled", e.journalled(), gone)
			for _, x := range e.entries(journal.Filter{Outcome: journal.InDoubt}) {
				t.Errorf("in doubt: %+v", x)
			}
		})
	}
}

func TestEnds_OverTheLimitWithoutSync(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	before := e.keys()
	r := dialRaw(t, e.url)
	for _, m := range cat(pbe("DELETE FROM plain WHERE id <= 5"), q("DELETE FROM plain WHERE id <= 11")) {
		r.Send(m)
	}
	if out := strings.Join(r.answers(1), "\n"); !strings.Contains(out, `"RB001"`) {
		t.Errorf("answers %s", out)
	}
	equal(t, "gone", minus(before, e.keys()), nil)
}

// deaf is a way to the server on which its answers can be lost.
func deaf(t *testing.T) (addr string, lose *atomic.Bool) {
	t.Helper()
	lose = &atomic.Bool{}
	return between(t, func(c, s net.Conn) {
		go func() { _, _ = io.Copy(s, c) }()
		for buf := make([]byte, 1<<16); ; {
			n, err := s.Read(buf)
			if err != nil || lose.Load() {
				return
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
		}
	}), lose
}

// between is a way to the server on which carry moves what goes between a client and the
// server; when it returns both connections are closed.
func between(t *testing.T, carry func(client, server net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s, err := net.Dial("tcp", pgtest.Shared(t).Addr())
				if err != nil {
					return
				}
				defer s.Close()
				carry(c, s)
			}()
		}
	}()
	return l.Addr().String()
}

// A COMMIT whose answer was lost may have committed: what it took of an
// allowance and a window stays taken.
func TestEnds_UnknownKeepsAllowancesAndWindows(t *testing.T) {
	r := free("slowly")
	r.Statement, r.Windows = 10, []policy.Window{{Rows: 10, Per: time.Hour, By: []policy.Dimension{policy.ByTable}}}
	e := newEnv(t, ruled(r), shop)
	id := e.grant(journal.Allowance{Rows: 60, Tables: []string{"plain"}, Once: true})
	way, lose := deaf(t)
	addr, _ := startProxy(t, way, e.judge, slog.New(slog.DiscardHandler))
	c := connect(t, fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, e.database), pgx.QueryExecModeSimpleProtocol)
	passes(t, c, "BEGIN")
	passes(t, c, "DELETE FROM plain WHERE id <= 20")
	passes(t, c, "DELETE FROM tree WHERE id > 23")
	lose.Store(true)
	if run(t, c, "COMMIT") == nil {
		t.Error("the client was told it was done")
	}
	other := e.connect(pgx.QueryExecModeSimpleProtocol)
	refused(t, other, "DELETE FROM plain WHERE id <= 40")
	refused(t, other, "DELETE FROM tree WHERE id > 20", "11 within") // 8 before
	e.wantUsed(id, 20, 1)
}
