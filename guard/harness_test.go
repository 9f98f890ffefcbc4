package guard_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // as in the command: a proxy's loop keeps one
	// A server that dies keeps what it has written; only a machine that dies would not.
	pgtest.Main(m, pgtest.Options{Memory: true, Settings: []string{"max_prepared_transactions=10", "fsync=off", "full_page_writes=off"}})
}

// env is a database with a proxy in front of it.
type env struct {
	t        *testing.T
	database string
	direct   string // URL
	url      string // URL through the proxy
	journal  journal.Journal
	judge    *guard.Judge // of the proxy started last
	clock    clock
	control  func(context.Context, string) (catalog.Querier, func(), error)
	metrics  *guard.Metrics
	alerts   *guard.Alerts // nil: none
	tls      *tls.Config   // of proxies to be started, for clients; nil: none
	logs     logged
	relay    *pgtest.Relay // of proxies to be started, to the server; nil: none
}

// newEnv starts a proxy with the given policy in front of a fresh database.
func newEnv(t *testing.T, p policy.Policy, sql ...string) *env {
	t.Helper()
	c := pgtest.Shared(t)
	e := &env{t: t, database: pgtest.Database(t, sql...)}
	e.direct = c.URL(e.database)
	dir := t.TempDir()
	j, err := journal.Open(t.Context(), dir, journal.Options{Proxy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	e.journal = j
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	e.start(p, j)
	return e
}

// start runs one more proxy; e.url becomes its address.
func (e *env) start(p policy.Policy, j journal.Journal) (stop func()) {
	t := e.t
	t.Helper()
	logger := slog.New(slog.NewTextHandler(testWriter{t, &e.logs}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if e.metrics == nil {
		e.metrics = guard.NewMetrics()
	}
	judge, err := guard.New(t.Context(), guard.Options{Policy: p, Journal: j, Proxy: "test", Logger: logger, Metrics: e.metrics, Alerts: e.alerts, Now: e.clock.now, Control: e.control})
	if err != nil {
		t.Fatal(err)
	}
	e.judge = judge
	server := pgtest.Shared(t).Addr()
	if e.relay != nil {
		server = e.relay.Addr()
	}
	addr, stop := startProxyUnder(t, e.tls, server, judge, logger)
	e.url = fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, e.database)
	if e.tls != nil {
		e.url = strings.Replace(e.url, "sslmode=disable", "sslmode=require", 1)
	}
	return stop
}

// clock is the real one, put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// logged is what the proxies of an env have logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

type testWriter struct {
	t *testing.T
	l *logged
}

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	w.l.text.Write(b)
	return len(b), nil
}

func (e *env) connect(mode pgx.QueryExecMode) *pgx.Conn {
	e.t.Helper()
	return connect(e.t, e.url, mode)
}

func connect(t *testing.T, url string, mode pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	c, err := pgx.ConnectConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// rows is the whole content of a database's tables: "table|row text" → true.
func (e *env) rows() map[string]bool {
	e.t.Helper()
	c := connect(e.t, e.direct, pgx.QueryExecModeExec)
	defer c.Close(context.Background())
	return content(e.t, c)
}

// keysOf are the primary keys of every table, as "schema.table {json}".
func content(t *testing.T, c *pgx.Conn) map[string]bool {
	t.Helper()
	ctx := context.Background()
	names, err := pgx.CollectRows(must(c.Query(ctx, `SELECT quote_ident(n.nspname)||'.'||quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind = 'r' AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' ORDER BY 1`)), pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, n := range names {
		rows, err := pgx.CollectRows(must(c.Query(ctx, "SELECT to_jsonb(x)::text FROM ONLY "+n+" x")), pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range rows {
			k := n + "|" + r
			if all[k] { // a table without a key may hold a row twice
				k = fmt.Sprintf("%s|%d", k, i)
			}
			all[k] = true
		}
	}
	return all
}

func must(rows pgx.Rows, err error) pgx.Rows {
	if err != nil {
		panic(err)
	}
	return rows
}

// keys are the primary keys in all tables whose key is "id", as "table id".
func (e *env) keys() []string {
	e.t.Helper()
	return keysIn(e.rows())
}

// keysOf is keys as c's transaction sees them.
func (e *env) keysOf(c *pgx.Conn) []string {
	e.t.Helper()
	return keysIn(content(e.t, c))
}

func keysIn(rows map[string]bool) []string {
	var out []string
	for k := range rows {
		table, row, _ := strings.Cut(k, "|")
		table = table[strings.Index(table, ".")+1:]
		if i := strings.Index(row, `"id": `); i >= 0 {
			id := row[i+6:]
			id = id[:strings.IndexAny(id, ",}")]
			out = append(out, table+" "+id)
		}
	}
	sort.Strings(out)
	return out
}

// minus is the multiset difference of sorted slices.
func minus(a, b []string) []string {
	have := map[string]bool{}
	for _, x := range b {
		have[x] = true
	}
	var out []string
	for _, x := range a {
		if !have[x] {
			out = append(out, x)
		}
	}
	return out
}

// entries are the journal's, newest first.
func (e *env) entries(f journal.Filter) []*journal.Entry {
	e.t.Helper()
	var out []*journal.Entry
	for x, err := range e.journal.Entries(context.Background(), f) {
		if err != nil {
			e.t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// journalled are the captured keys of all committed entries, as keys gives them.
func (e *env) journalled() []string {
	e.t.Helper()
	var out []string
	for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
		for row, err := range e.journal.Rows(context.Background(), x.ID) {
			if err != nil {
				e.t.Fatal(err)
			}
			t := x.Tables[row.Table]
			if t.Via != journal.SetNull && t.Via != journal.SetDef {
				out = append(out, t.Name+" "+*row.Values[0])
			}
		}
	}
	sort.Strings(out)
	return out
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: %d, want %d\ngot  %.600q\nwant %.600q", what, len(got), len(want), got, want)
	}
}

// pollTime bounds the wait for something that must come about.
const pollTime = 30 * time.Second

func removeAll(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func makeDir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// captured is a policy that asks for every key.
func captured(p policy.Policy) policy.Policy {
	p.Default.Uncaptured = policy.Refuse
	return p
}

// watch is a connection for awaitLock: a new one might wait as well.
func (e *env) watch() *pgx.Conn { return connect(e.t, e.direct, pgx.QueryExecModeExec) }

// awaitLock waits until a session waits for a lock.
func (e *env) awaitLock(watch *pgx.Conn) {
	e.t.Helper()
	for deadline := time.Now().Add(pollTime); ; time.Sleep(5 * time.Millisecond) {
		var waits bool
		if err := watch.QueryRow(e.t.Context(), "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waits); err != nil {
			e.t.Fatal(err)
		}
		if waits {
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatal("nobody waits for a lock")
		}
	}
}
