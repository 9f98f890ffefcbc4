package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// onMarked judges messages that contain "marked" (and those of the given
// types); all others are forwarded unseen.
type onMarked struct {
	roomy
	types string
	do    func(ctx context.Context, w Wire, typ byte, body []byte) error
}

func (m onMarked) Session(context.Context, *Info) Session { return m }
func (m onMarked) Close()                                 {}
func (m onMarked) Wants(typ byte, body []byte) bool {
	return strings.Contains(m.types, string(typ)) || strings.Contains(string(body), "marked")
}
func (m onMarked) Message(ctx context.Context, w Wire, typ byte, body []byte) error {
	return m.do(ctx, w, typ, body)
}

func query(sql string) []byte { return frame(&pgproto3.Query{String: sql}) }

// prepared is a statement by the extended protocol, without Sync.
func prepared(sql string) []byte {
	b := frame(&pgproto3.Parse{Query: sql})
	b = append(b, frame(&pgproto3.Bind{})...)
	return append(b, frame(&pgproto3.Execute{})...)
}

var syncFrame = frame(&pgproto3.Sync{})

// receive takes the server's messages of the given types.
func receive(ctx context.Context, w Wire, types string) error {
	for i := range types {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		if typ != types[i] {
			return fmt.Errorf("received %q %q, wanted %q", typ, body, types[i:])
		}
	}
	return nil
}

func TestWire_QuiesceAfterAnErrorInThePipeline(t *testing.T) {
	var failed []bool
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		f, err := w.Quiesce(ctx)
		failed = append(failed, f)
		if err != nil {
			return err
		}
		if err := w.Reply('N', []byte("Ctest\x00\x00")); err != nil { // where we are in the answers
			return err
		}
		w.Forward()
		return nil
	}}})
	c := rawSession(t, s)
	b := append(prepared("SELECT 1"), prepared("SELECT 1/0")...)
	b = append(b, frame(&pgproto3.Parse{Query: "SELECT 'marked'"})...) // discarded
	b = append(b, query("SELECT 'unseen'")...)                         // discarded too
	b = append(b, syncFrame...)
	b = append(b, prepared("SELECT 2")...)
	b = append(b, query("SELECT 'marked'")...)
	b = append(b, syncFrame...)
	write(t, c, b)
	var got string
	for range 3 {
		types, _ := readUntil(t, c, 'Z')
		got += types
	}
	if got != "12DC1ENZ12DCNTDCZZ" {
		t.Error("the client saw", got)
	}
	if len(failed) != 2 || !failed[0] || failed[1] {
		t.Error("failed:", failed)
	}
}

func TestWire_ExchangeInThePipeline(t *testing.T) {
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		w.Send('P', []byte("\x00SELECT 1\x00\x00\x00"))
		w.Send('S', nil)
		if err := receive(ctx, w, "1Z"); err != nil {
			return err
		}
		w.Send('Q', []byte("SELECT 'the client''s'\x00"))
		// Quiesce gives what is not received to the client; so does the end of Message.
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		if w.TxStatus() != 'I' {
			return fmt.Errorf("status %q", w.TxStatus())
		}
		w.Send('Q', []byte("BEGIN\x00"))
		if err := receive(ctx, w, "C"); err != nil {
			return err
		}
		w.Forward()
		return nil
	}}})
	c := rawSession(t, s)
	b := append(prepared("SELECT 1"), query("SELECT 'marked'")...)
	write(t, c, append(b, query("SELECT 3, 4")...))
	var got, status string
	for range 4 {
		types, body := readUntil(t, c, 'Z')
		got, status = got+types+" ", status+string(body)
	}
	if got != "12DCTDCZ Z TDCZ TDCZ " || status != "ITTT" {
		t.Error("the client saw", got, status)
	}
}

func TestWire_ManyRows(t *testing.T) {
	const rows = 100_000
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		w.Send('Q', []byte("SELECT i, repeat('x', i % 100) FROM generate_series(1, 100000) i\x00"))
		for {
			typ, body, err := w.Receive(ctx)
			if err != nil {
				return err
			}
			if err := w.Reply(typ, body); err != nil {
				return err
			}
			if typ == 'Z' {
				return nil
			}
		}
	}}})
	c := rawSession(t, s)
	write(t, c, append(query("marked"), query("SELECT 1")...))
	in := bufio.NewReader(c)
	if types, _ := readUntil(t, in, 'Z'); types != "T"+strings.Repeat("D", rows)+"CZ" {
		t.Error(len(types))
	}
	if types, _ := readUntil(t, in, 'Z'); types != "TDCZ" {
		t.Error(types)
	}
}

func TestWire_AsynchronousMessagesPass(t *testing.T) {
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		w.Send('Q', []byte("DO $$ BEGIN RAISE NOTICE 'hello'; END $$; SET application_name = 'changed'\x00"))
		if err := receive(ctx, w, "CCZ"); err != nil {
			return err
		}
		if got := w.Parameter("application_name"); got != "changed" {
			return fmt.Errorf("application_name is %q", got)
		}
		return w.Reply('Z', []byte{w.TxStatus()})
	}}})
	c := rawSession(t, s)
	write(t, c, query("marked"))
	if types, _ := readUntil(t, c, 'Z'); types != "NSZ" {
		t.Error(types)
	}
}

// The answer to a COMMIT is to be had though the client is gone.
func TestWire_ReceiveWorksOnAfterAFailedReply(t *testing.T) {
	result := make(chan error, 1)
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) (err error) {
		defer func() { result <- err }()
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		if err := w.Reply('N', []byte("Cgo\x00\x00")); err != nil {
			return err
		}
		for err == nil {
			err = w.Reply('N', make([]byte, 1<<20))
		}
		w.Send('Q', []byte("SELECT 1\x00"))
		return receive(ctx, w, "TDCZ")
	}}})
	c := rawSession(t, s)
	write(t, c, query("marked"))
	readUntil(t, c, 'N')
	c.Close()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestWire_ContextEndsWaiting(t *testing.T) {
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		for range 2 { // first the reading goroutine has the server, then we
			short, cancel := context.WithCancel(ctx)
			cancel()
			if _, _, err := w.Receive(short); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("Receive: %w", err)
			}
			w.Send('Q', []byte("SELECT 1\x00"))
			if err := receive(ctx, w, "TDCZ"); err != nil {
				return err
			}
		}
		w.Send('Q', []byte("SELECT 1\x00"))
		short, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := w.Quiesce(short); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}}})
	c := rawSession(t, s)
	for _, q := range []string{"marked", "SELECT 1, 2"} {
		write(t, c, query(q))
		if types, _ := readUntil(t, c, 'Z'); types != "TDCZ" {
			t.Error(types)
		}
	}
}

func TestWire_ServerGoneDuringAnExchange(t *testing.T) {
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		w.Send('Q', []byte("SELECT pg_terminate_backend(pg_backend_pid())\x00"))
		if err := receive(ctx, w, "TDCZ"); err == nil {
			return errors.New("the server is still there")
		} else {
			return fmt.Errorf("judging: %w", err)
		}
	}}})
	c := rawSession(t, s)
	write(t, c, query("marked"))
	wantError(t, c, codeAdminShutdown)
}

func TestWire_AnErrorEndsTheSession(t *testing.T) {
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		return errors.New("a secret of the proxy")
	}}})
	c := rawSession(t, s)
	write(t, c, append(query("SELECT 1"), query("marked")...))
	got, _ := io.ReadAll(c)
	if b := string(got); strings.Contains(b, "secret") || !strings.Contains(b, "C"+codeInternal) {
		t.Errorf("%q", b)
	}
}

func TestWire_LongMessages(t *testing.T) {
	const long = 3 << 20
	var wanted, judged int
	j := &longJudge{wants: func(typ byte, n int) {
		if typ == 'B' {
			wanted = n
		}
	}, message: func(typ byte, n int) {
		if typ == 'B' {
			judged = n
		}
	}}
	s := serve(t, Options{Judge: j})
	c := connect(t, proxyURL(s, "postgres"))
	var n int
	for range 2 {
		if err := c.QueryRow(t.Context(), "SELECT length($1::text)", strings.Repeat("x", long)).Scan(&n); err != nil || n != long {
			t.Fatal(n, err)
		}
	}
	if wanted >= long || judged <= long {
		t.Errorf("Wants saw %d bytes, Message %d", wanted, judged)
	}
}

type longJudge struct {
	roomy
	wants, message func(typ byte, n int)
}

func (j *longJudge) Session(context.Context, *Info) Session { return j }
func (j *longJudge) Close()                                 {}
func (j *longJudge) Wants(typ byte, body []byte) bool {
	j.wants(typ, len(body))
	return typ == 'B'
}
func (j *longJudge) Message(_ context.Context, w Wire, typ byte, body []byte) error {
	j.message(typ, len(body))
	w.Forward()
	return nil
}

func TestSession_InfoIsComplete(t *testing.T) {
	infos := make(chan Info, 1)
	s := serve(t, Options{Judge: infoJudge(infos)})
	c := connect(t, proxyURL(s, "postgres")+"&application_name=app")
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	i := <-infos
	if i.User != "postgres" || i.Database != "postgres" || i.Application != "app" || i.Server != pgtest.Shared(t).Addr() ||
		!strings.HasPrefix(i.Client, "127.0.0.1:") || i.Replication || i.CancelKey == "" {
		t.Errorf("%+v", i)
	}
}

// Names that are too long are what the server makes of them.
func TestSession_NamesAreCutOffAsByTheServer(t *testing.T) {
	c := pgtest.Shared(t)
	user, database := strings.Repeat("u", 63), strings.Repeat("d", 63)
	pgtest.Exec(t, c.URL("postgres"), "CREATE ROLE "+user+" LOGIN", "CREATE DATABASE "+database)
	t.Cleanup(func() {
		pgtest.Exec(t, c.URL("postgres"), "DROP DATABASE "+database+" WITH (FORCE)", "DROP ROLE "+user)
	})
	infos := make(chan Info, 1)
	s := serve(t, Options{Judge: infoJudge(infos)})
	conn := connect(t, fmt.Sprintf("postgres://%sx@%s/%sx?sslmode=disable", user, s.Addr(), database))
	var is, in string
	if err := conn.QueryRow(t.Context(), "SELECT session_user, current_database()").Scan(&is, &in); err != nil || is != user || in != database {
		t.Fatal(is, in, err)
	}
	if i := <-infos; i.User != user || i.Database != database {
		t.Errorf("%+v", i)
	}
}

type infoJudge chan Info

func (j infoJudge) Session(_ context.Context, i *Info) Session {
	j <- *i
	return onMarked{}
}

// A fault in a Session ends that session, whose client is told so, and no other.
func TestWire_AFaultEndsItsSessionAlone(t *testing.T) {
	s := serve(t, Options{Judge: onMarked{do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		return fmt.Errorf("%c", body[len(body)+int(typ)])
	}}})
	other := rawSession(t, s)
	c := rawSession(t, s)
	write(t, c, query("BEGIN"))
	readUntil(t, c, 'Z')
	write(t, c, query("marked"))
	if types, body := readUntil(t, c, 'E'); types != "E" || !strings.Contains(string(body), "XX000") {
		t.Errorf("%s %q", types, body)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the session goes on: %v", err)
	}
	write(t, other, query("SELECT 1"))
	if types, _ := readUntil(t, other, 'Z'); types != "TDCZ" {
		t.Error(types)
	}
}
