package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

func holdPolicy() policy.Policy {
	p := policy.Uniform(policy.Hold, 10)
	p.Default.HoldFor = time.Minute
	return p
}

// waiting is the one hold that waits for an answer.
func (e *env) waiting() journal.Hold {
	e.t.Helper()
	var found []journal.Hold
	for deadline := time.Now().Add(pollTime); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if found, err = e.journal.Holds(context.Background(), journal.Waiting); err != nil {
			e.t.Fatal(err)
		}
		if len(found) == 1 {
			return found[0]
		}
	}
	e.t.Fatalf("%d holds wait", len(found))
	return journal.Hold{}
}

func (e *env) decide(id string, s journal.HoldState, reason string) {
	e.t.Helper()
	if _, err := e.journal.Decide(context.Background(), id, s, "dba", reason, e.clock.now()); err != nil {
		e.t.Fatal(err)
	}
}

// held is a statement under way in a session of its own.
type held struct {
	conn    *pgx.Conn
	notices []*pgconn.Notice
	done    chan error
	tag     pgconn.CommandTag
}

func (e *env) startHeld(mode pgx.QueryExecMode, before []string, sql string) *held {
	e.t.Helper()
	h := &held{done: make(chan error, 1)}
	cfg, err := pgx.ParseConfig(e.url)
	if err != nil {
		e.t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { h.notices = append(h.notices, n) }
	if h.conn, err = pgx.ConnectConfig(context.Background(), cfg); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { h.conn.Close(context.Background()) })
	for _, b := range before {
		passes(e.t, h.conn, b)
	}
	go func() {
		var err error
		h.tag, err = h.conn.Exec(context.Background(), sql)
		h.done <- err
	}()
	return h
}

func TestHold_WaitsForAWord(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e := newEnv(t, holdPolicy(), shop)
			before := e.keys()
			h := e.startHeld(m, nil, "DELETE FROM orders WHERE id <= 5")
			w := e.waiting()
			if w.User != "postgres" || w.Database != e.database || !strings.Contains(w.What, "DELETE would remove") || w.Rows < 11 || w.Rule != "default" {
				t.Errorf("hold %+v", w)
			}
			equal(t, "keys while it waits", e.keys(), before)
			e.decide(w.ID, journal.Granted, "go on")
			if err := <-h.done; err != nil || h.tag.String() != "DELETE 5" {
				t.Fatalf("%s, %v", h.tag, err)
			}
			if len(h.notices) != 1 || h.notices[0].Code != "RB003" || !strings.Contains(h.notices[0].Detail, w.ID) {
				t.Errorf("notices %+v", h.notices)
			}
			es := e.entries(journal.Filter{})
			want := journal.Allowed{By: "dba", How: "hold", ID: w.ID, Rows: 25, Reason: "go on"}
			if len(es) != 1 || es[0].Rows != 25 || len(es[0].Allowed) != 1 || es[0].Allowed[0] != want {
				t.Errorf("entries %+v", es)
			}
			passes(t, h.conn, "DELETE FROM plain WHERE id <= 10") // the session goes on
		})
	}
}

// A client's cancel request may reach another proxy of the fleet than its session.
func TestHold_CanceledThroughAnotherProxy(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e := newEnv(t, holdPolicy(), shop)
			h := e.startHeld(m, nil, "DELETE FROM orders")
			w := e.waiting()
			e.start(holdPolicy(), e.journal)
			other, err := url.Parse(e.url)
			if err != nil {
				t.Fatal(err)
			}
			key := h.conn.PgConn().SecretKey()
			for _, k := range [][]byte{append([]byte{key[0] + 1}, key[1:]...), key} { // a wrong one first
				c, err := net.Dial("tcp", other.Host)
				if err != nil {
					t.Fatal(err)
				}
				packet, err := (&pgproto3.CancelRequest{ProcessID: h.conn.PgConn().PID(), SecretKey: k}).Encode(nil)
				if err == nil {
					_, err = c.Write(packet)
				}
				if err == nil {
					_, err = io.Copy(io.Discard, c) // until it is passed on
				}
				if err = errors.Join(err, c.Close()); err != nil {
					t.Fatal(err)
				}
				if is, err := e.journal.HoldByID(t.Context(), w.ID); err != nil || (is.State == journal.Waiting) == bytes.Equal(k, key) {
					t.Errorf("with the right key: %v, it is %s, %v", bytes.Equal(k, key), is.State, err)
				}
			}
			var pe *pgconn.PgError
			if err := <-h.done; !errors.As(err, &pe) || pe.Code != "57014" {
				t.Errorf("%v", err)
			}
			passes(t, h.conn, "DELETE FROM plain WHERE id <= 10") // the session goes on
		})
	}
}

func TestHold_DeniedExpiredOrLeft(t *testing.T) {
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			e := newEnv(t, holdPolicy(), shop)
			before := e.keys()
			for what, end := range map[string]func(h *held, w journal.Hold){
				"denied by dba: not today":    func(_ *held, w journal.Hold) { e.decide(w.ID, journal.Denied, "not today") },
				"nobody allowed it within 1m": func(*held, journal.Hold) { e.clock.advance(2 * time.Minute) },
				"canceling statement": func(h *held, _ journal.Hold) {
					if err := h.conn.PgConn().CancelRequest(context.Background()); err != nil {
						t.Error(err)
					}
				},
			} {
				h := e.startHeld(m, []string{"BEGIN"}, "DELETE FROM orders")
				w := e.waiting()
				end(h, w)
				err := <-h.done
				var pe *pgconn.PgError
				if !errors.As(err, &pe) || !strings.Contains(pe.Message, what) {
					t.Fatalf("%q: %v", what, err)
				}
				if s := h.conn.PgConn().TxStatus(); s != 'E' {
					t.Errorf("%q: status %c", what, s)
				}
				if es := e.entries(journal.Filter{ID: w.ID}); pe.Code == "RB001" && (len(es) != 1 || es[0].Outcome != journal.Blocked) {
					t.Errorf("%q: entries %+v", what, es)
				}
				passes(t, h.conn, "ROLLBACK")
			}
			h := e.startHeld(m, nil, "DELETE FROM orders")
			w := e.waiting()
			h.conn.PgConn().Conn().Close()
			<-h.done
			for deadline := time.Now().Add(pollTime); ; time.Sleep(5 * time.Millisecond) {
				is, err := e.journal.HoldByID(context.Background(), w.ID)
				if err != nil {
					t.Fatal(err)
				}
				if is.State == journal.Left {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the client is gone, the hold is %s", is.State)
				}
			}
			equal(t, "keys", e.keys(), before)
		})
	}
}

func TestHold_AnAllowanceAnswersAhead(t *testing.T) {
	eachForm(t, holdPolicy(), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		e.grant(journal.Allowance{Rows: 100})
		passes(t, c, "DELETE FROM orders WHERE id <= 5")
	})
}

// While a statement waits that a probe could tell of, other sessions can lock its rows,
// whatever is kept of them once it runs.
func TestHold_BeforeItLocksAnything(t *testing.T) {
	rows := holdPolicy()
	rows.Default.Capture = policy.CaptureRows
	for capture, p := range map[string]policy.Policy{"keys": holdPolicy(), "rows": rows} {
		for mode, m := range modes {
			for _, sql := range []string{"DELETE FROM orders WHERE id <= 5", "DELETE FROM orders", "DELETE FROM tree WHERE id = 1", "TRUNCATE plain",
				"DELETE FROM payments p USING orders o WHERE o.id = p.order_id", "WITH x AS (SELECT 1) DELETE FROM orders WHERE kind = 'test'"} {
				t.Run(capture+"/"+mode+"/"+sql, func(t *testing.T) {
					e := newEnv(t, p, shop)
					h := e.startHeld(m, nil, sql)
					w := e.waiting()
					other := connect(t, e.direct, pgx.QueryExecModeExec)
					passes(t, other, "SET lock_timeout = '1ms'")
					for _, table := range []string{"orders", "payments", "refunds", "tree", "plain"} {
						passes(t, other, fmt.Sprintf("SELECT FROM %s FOR UPDATE", table))
					}
					e.decide(w.ID, journal.Granted, "")
					if err := <-h.done; err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}

// Rows that others add or take while it waits are judged when it runs: the yes was for no more.
func TestHold_JudgedAgainWhenItRuns(t *testing.T) {
	for _, capture := range []policy.Capture{policy.CaptureKeys, policy.CaptureRows} {
		p := holdPolicy()
		p.Default.Capture = capture
		for name, x := range map[string]struct {
			meanwhile string
			again     bool
			rows      int64
		}{
			"more":  {"INSERT INTO payments SELECT 1000 + i, 1 FROM generate_series(1, 5) i", true, 30},
			"fewer": {"DELETE FROM payments WHERE order_id = 1", false, 21},
		} {
			t.Run(fmt.Sprintf("%s/%s", capture, name), func(t *testing.T) {
				e := newEnv(t, p, shop)
				h := e.startHeld(pgx.QueryExecModeExec, nil, "DELETE FROM orders WHERE id <= 5")
				w := e.waiting()
				passes(t, connect(t, e.direct, pgx.QueryExecModeExec), x.meanwhile)
				e.decide(w.ID, journal.Granted, "")
				if x.again {
					next := e.waiting()
					if next.Rows != x.rows {
						t.Errorf("it waits again for %d rows, want %d", next.Rows, x.rows)
					}
					e.decide(next.ID, journal.Granted, "")
				}
				if err := <-h.done; err != nil {
					t.Fatal(err)
				}
				es := e.entries(journal.Filter{Outcome: journal.Committed})
				if len(es) != 1 || es[0].Rows != x.rows {
					t.Errorf("entries %+v, want one of %d rows", es, x.rows)
				}
			})
		}
	}
}

// In alert mode people hear of the statement's kind and of its rows.
func TestRules_AlertOfKindAndRows(t *testing.T) {
	r := free("told")
	r.Mode, r.WhereRequired, r.Statement = policy.Alert, true, 10
	e := newEnv(t, ruled(r), shop)
	c := e.connect(pgx.QueryExecModeExec)
	passes(t, c, "DELETE FROM plain")
	want := `DELETE needs a WHERE that names a column on plain (rule "told"), and removed 100 rows (plain 100), limit 10 (rule "told")`
	if es := e.entries(journal.Filter{}); len(es) != 1 || es[0].Alert != want {
		t.Errorf("entries %+v, want %s", es, want)
	}
}

// What merely waits has removed nothing: it is in no window of others' yet.
func TestHold_CountsInNoWindowBeforeItRuns(t *testing.T) {
	r := free("held")
	r.Mode, r.HoldFor, r.Statement = policy.Hold, time.Minute, 10
	r.Windows = []policy.Window{{Rows: 60, Per: time.Hour}}
	for _, sql := range []string{"DELETE FROM plain WHERE id <= 50", "TRUNCATE tree"} {
		t.Run(sql, func(t *testing.T) {
			e := newEnv(t, ruled(r), shop)
			c := e.connect(pgx.QueryExecModeExec)
			h := e.startHeld(pgx.QueryExecModeExec, []string{"BEGIN", "DELETE FROM plain WHERE id BETWEEN 91 AND 96", "DELETE FROM tree WHERE id = 31"}, sql)
			w := e.waiting()
			for i := 51; i < 87; i += 9 { // 36 rows: with those that wait they would be too many
				passes(t, c, fmt.Sprintf("DELETE FROM plain WHERE id BETWEEN %d AND %d", i, i+8))
			}
			e.decide(w.ID, journal.Denied, "")
			wantCode(t, <-h.done, "RB001")
			passes(t, h.conn, "ROLLBACK")
			passes(t, c, "DELETE FROM plain WHERE id <= 10")
			passes(t, c, "DELETE FROM plain WHERE id BETWEEN 11 AND 15")
		})
	}
}
