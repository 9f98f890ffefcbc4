package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rowback/rowback/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon bounds what the tests wait for.
const soon = 30 * time.Second

var when = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

// blocked is an entry as the guard makes it.
func blocked(user string) *journal.Entry {
	return &journal.Entry{
		ID: journal.NewID(when), Time: when, Kind: journal.Deletion, Outcome: journal.Blocked, Database: "shop", User: user,
		Application: "psql", Client: "10.0.0.5:4122", Rows: 50, Alert: "DELETE would remove 50 rows (orders 20, payments 30), limit 10", Rule: "nightly", Proxy: "p1",
		Statements: []journal.Statement{{SQL: "DELETE FROM orders WHERE email = 'SECRET-ROW'"}},
		Tables: []journal.Table{
			{Schema: "public", Name: "orders", Rows: 20, Via: journal.Direct},
			{Schema: "audit", Name: "payments", Rows: 30, Via: journal.Cascade},
		},
	}
}

func committed(user string) *journal.Entry {
	e := blocked(user)
	e.Outcome, e.Alert = journal.Committed, "DELETE removed 50 rows (orders 20, payments 30), limit 10"
	e.Tables[0].KeysCaptured = true
	e.Tables[1].Why = "no primary key"
	return e
}

func hold() *journal.Hold {
	return &journal.Hold{
		ID: journal.NewID(when), Time: when, Expires: time.Now().Add(time.Hour), Database: "shop", User: "app", Application: "job", Client: "10.0.0.5:4122",
		SQL: "DELETE FROM orders WHERE email = 'SECRET-ROW'", What: "DELETE would remove more than 1000 rows (orders)", Rows: 1001, AtLeast: true, Rule: "nightly", Proxy: "p1", State: journal.Waiting,
	}
}

// request is what came to a receiver.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

// receiver is an HTTP server that takes what it is sent.
type receiver struct {
	*httptest.Server
	got chan request
}

// newReceiver answers with answer, nil: 200.
func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{got: make(chan request, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return // the sender has given up
		}
		if r.got <- (request{q.Method, q.URL.RequestURI(), q.Header, body}); answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) request {
	t.Helper()
	select {
	case q := <-r.got:
		return q
	case <-time.After(soon):
		t.Fatal("nothing came")
		panic("")
	}
}

// message is the next request's JSON.
func (r *receiver) message(t *testing.T) (m Message) {
	t.Helper()
	decode(t, r.next(t).body, &m)
	return m
}

func decode(t *testing.T, body []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(body, to); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

// running is an Alerter that delivers until the test ends, or end is called.
type running struct {
	*Alerter
	end func()
	log *bytes.Buffer // to be read after end

	mu      sync.Mutex
	results map[string]int // by "sink result"
}

func run(t *testing.T, o Options, sinks ...Sink) *running {
	t.Helper()
	r := prepared(o, sinks...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	r.end = func() { cancel(); <-done }
	t.Cleanup(r.end)
	return r
}

// prepared is one that does not deliver yet.
func prepared(o Options, sinks ...Sink) *running {
	r := &running{log: &bytes.Buffer{}, results: map[string]int{}}
	if o.Backoff == 0 {
		o.Backoff = time.Millisecond
	}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	o.Delivered = func(sink string, x Result, n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.results[sink+" "+string(x)] += n
	}
	r.Alerter = New(Config{Sinks: sinks}, o)
	return r
}

func (r *running) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.results[what]
}

// wait waits until so many deliveries have ended so.
func (r *running) wait(t *testing.T, what string, n int) {
	t.Helper()
	for end := time.Now().Add(soon); r.count(what) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q: %d, want %d", what, r.count(what), n)
		}
	}
}

// hook is a webhook that is told each notice apart.
func hook(name string, r *receiver) Sink {
	return Sink{Name: name, To: Webhook{URL: Secret(r.URL)}, Repeat: -1}
}
