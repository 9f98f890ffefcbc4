package guard_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// statementTimeout is the sessions' own; late is how long a message is on its way that
// meets it.
const (
	statementTimeout = 20 * time.Millisecond
	late             = 2 * statementTimeout
)

// delayed is a way to the server on which the message of that number is late; 0: none.
type delayed struct{ number, seen atomic.Int64 }

// serve ends with l, and its connections with the clients'.
func (d *delayed) serve(l net.Listener, to string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			client.Close()
			continue
		}
		go func() {
			defer client.Close()
			_, _ = io.Copy(client, server)
		}()
		go func() {
			defer server.Close()
			for typed := 0; ; typed = 1 { // but the startup packet
				header := make([]byte, typed+4)
				if _, err := io.ReadFull(client, header); err != nil {
					return
				}
				m := make([]byte, typed+int(binary.BigEndian.Uint32(header[typed:])))
				copy(m, header)
				if _, err := io.ReadFull(client, m[len(header):]); err != nil {
					return
				}
				if d.seen.Add(1) == d.number.Load() {
					time.Sleep(late)
				}
				if _, err := server.Write(m); err != nil {
					return
				}
			}
		}()
	}
}

// Whichever message a timeout meets, rowback's own ones too, the client gets its answers, the
// session goes on, and the journal has what is gone. Here at every fifth; with SOAK set at each.
func TestTimeouts(t *testing.T) {
	step := int64(5)
	if os.Getenv("SOAK") != "" {
		step = 1
	}
	e := newEnv(t, blockPolicy(), shop, `CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM tree WHERE id = -1; RETURN NULL; END$$;
		CREATE CONSTRAINT TRIGGER t AFTER DELETE ON plain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
		CREATE FUNCTION purge(n int) RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM plain WHERE id = n; RETURN 1; END$$`)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &delayed{}
	go d.serve(l, pgtest.Shared(t).Addr())
	defer l.Close()
	logger := slog.New(slog.DiscardHandler)
	judge, err := guard.New(t.Context(), guard.Options{Policy: blockPolicy(), Journal: e.journal, Proxy: "test", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := startProxy(t, l.Addr().String(), judge, logger)
	for name, ms := range map[string]func(id int) messages{
		"query":    func(id int) messages { return q(fmt.Sprintf("DELETE FROM orders WHERE id = %d", id)) },
		"extended": func(id int) messages { return pbe(fmt.Sprintf("DELETE FROM orders WHERE id = %d", id)) },
		"pipeline": func(id int) messages {
			return cat(pbe(fmt.Sprintf("DELETE FROM orders WHERE id = %d", id)), pbe(fmt.Sprintf("DELETE FROM plain WHERE id = %d", id)), pbe(fmt.Sprintf("SELECT purge(%d)", id+40)))
		},
		"repeated": func(id int) messages {
			return cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("", "d", fmt.Sprint(id)), execute("", 0), bindTo("", "d", fmt.Sprint(id+40)), execute("", 0))
		},
		"several": func(id int) messages {
			return q(fmt.Sprintf("DELETE FROM plain WHERE id = %d; SELECT purge(%d)", id, id+40))
		},
		"block": func(id int) messages {
			return cat(q("BEGIN"), q("SAVEPOINT a"), q(fmt.Sprintf("DELETE FROM plain WHERE id = %d", id)), q("COMMIT"))
		},
		"block in a pipeline": func(id int) messages {
			return cat(pbe("BEGIN"), pbe("SAVEPOINT a"), pbe(fmt.Sprintf("SELECT purge(%d)", id)), pbe("ROLLBACK TO a"), pbe(fmt.Sprintf("DELETE FROM orders WHERE id = %d", id)), pbe("COMMIT"))
		},
		"refused": func(id int) messages {
			return cat(q("BEGIN"), q("SAVEPOINT a"), q("DELETE FROM plain WHERE id > 50"), q("ROLLBACK TO a"), q(fmt.Sprintf("DELETE FROM plain WHERE id = %d", id)), q("COMMIT"))
		},
		"two-phase": func(id int) messages {
			return cat(q(fmt.Sprintf("BEGIN; DELETE FROM plain WHERE id = %d; PREPARE TRANSACTION 'late'", id)), q("COMMIT PREPARED 'late'"))
		},
		"DDL": func(id int) messages {
			return q(fmt.Sprintf("CREATE OR REPLACE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT %d'; SELECT made(); DELETE FROM plain WHERE id = %[1]d", id))
		},
		"several in a block": func(id int) messages { // an older server is asked whether it can read them
			return cat(q("BEGIN"), q(fmt.Sprintf("DELETE FROM plain WHERE id = %d; SELECT 1", id)), q("COMMIT"))
		},
		"COPY": func(id int) messages {
			return q(fmt.Sprintf("COPY (DELETE FROM plain WHERE id = %d RETURNING *) TO STDOUT", id))
		},
	} {
		t.Run(name, func(t *testing.T) {
			pgtest.Exec(t, e.direct, "INSERT INTO plain SELECT i, 'row ' || i FROM generate_series(1, 100) i ON CONFLICT DO NOTHING; INSERT INTO orders SELECT i, 1 FROM generate_series(1, 100) i ON CONFLICT DO NOTHING")
			before, had, uncaptured := e.keys(), counted(e.journalled()), e.uncaptured()
			met := 0
			for k := max(step-1, 1); ; k += step {
				r := dialRaw(t, fmt.Sprintf("postgres://postgres@%s/%s", addr, e.database))
				r.say(q(fmt.Sprintf("SELECT 1 FROM plain LIMIT 1; SET statement_timeout = %d", statementTimeout.Milliseconds())))
				d.seen.Store(0)
				d.number.Store(k)
				ends := 0
				for _, m := range cat(ms(int(k%35)+1), syncMsg) {
					r.Send(m)
					switch m.(type) {
					case *pgproto3.Query, *pgproto3.Sync:
						ends++
					}
				}
				said, err := r.said(ends)
				if err != nil {
					t.Fatalf("message %d: after %q: %v", k, said, err)
				}
				if strings.Contains(strings.Join(said, "\n"), `"Code":"57014"`) {
					met++
				}
				sent := d.seen.Load()
				d.number.Store(0)
				if got := r.say(q("ROLLBACK")); !strings.Contains(got, `"TxStatus":"I"`) {
					t.Errorf("message %d: ROLLBACK: %s", k, got)
				}
				if got := r.say(cat(pbe("SELECT 'fine'"), syncMsg)); !strings.Contains(got, "fine") {
					t.Errorf("message %d: then: %s", k, got)
				}
				r.conn.Close()
				if sent < k {
					break
				}
			}
			w := e.watch()
			_, _ = w.Exec(t.Context(), "COMMIT PREPARED 'late'") // if a timeout met that
			_ = w.Close(t.Context())
			e.settle()
			gone, told := minus(before, e.keys()), counted(e.journalled())
			for key, n := range had {
				told[key] -= n
			}
			var missing []string
			for _, key := range gone {
				if told[key]--; told[key] < 0 {
					missing = append(missing, key)
				}
			}
			if int64(len(missing)) > e.uncaptured()-uncaptured {
				t.Errorf("gone, and not on record: %v", missing)
			}
			for key, n := range told {
				if n > 0 {
					t.Errorf("on record, and not gone: %s", key)
				}
			}
			if met == 0 || len(gone) == 0 {
				t.Errorf("%d timeouts, %d rows gone: that shows nothing", met, len(gone))
			}
		})
	}
}

func counted(keys []string) map[string]int {
	n := map[string]int{}
	for _, k := range keys {
		n[k]++
	}
	return n
}

// uncaptured is how many removed rows the journal has without keys.
func (e *env) uncaptured() (n int64) {
	for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
		for _, tb := range x.Tables {
			if !tb.KeysCaptured {
				n += tb.Rows
			}
		}
	}
	return n
}
