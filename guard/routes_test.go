package guard_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// A route is one way in which rows may leave, or seem to. Each runs on a direct
// connection for the truth; then through the proxy with the truth as the limit
// (every answer must be the server's), with one row less (RB001, and all rows
// still there), and in alert mode (an entry with exact numbers and keys).
type route struct {
	name  string
	setup string
	since int        // the PostgreSQL that this came with; 0: all have it
	sql   []string   // one Query each; in a second round one Parse, Bind, Execute, Sync each
	raw   []messages // in place of sql: exchanges, each up to its ReadyForQuery

	peak   int64  // the most rows removed at any time, if some come back (ROLLBACK TO)
	status string // what a refusal leaves behind, if not what the server's answer tells
	unseen string // why alert mode has no entry
	keys   bool   // the keys of all rows are captured
	// over: why more rows may be counted than leave, or refused before they are counted.
	over string
}

// lab is a proxy in front of databases made from one template.
type lab struct {
	t        *testing.T
	cluster  *pgtest.Cluster // its own, without fsync: nothing here is about the server's durability
	admin    *pgx.Conn
	template string
	judge    *guard.Judge
	journal  journal.Journal
	addr     string
	serial   int
}

func newLab(t *testing.T, sql ...string) *lab {
	t.Helper()
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true, Settings: []string{"max_prepared_transactions=10", "autovacuum=off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	l := &lab{t: t, cluster: c, template: "routes"}
	l.admin = connect(t, c.URL("postgres"), pgx.QueryExecModeSimpleProtocol)
	pgtest.Exec(t, c.URL("postgres"), "CREATE DATABASE routes")
	pgtest.Exec(t, c.URL("routes"), sql...)
	j, err := journal.Open(t.Context(), t.TempDir(), journal.Options{Proxy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	l.journal = j
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	logger := slog.New(slog.DiscardHandler)
	l.judge, err = guard.New(t.Context(), guard.Options{Journal: j, Proxy: "test", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	l.addr, _ = startProxy(t, c.Addr(), l.judge, logger)
	return l
}

// outcome is what a run of a route has come to.
type outcome struct {
	answers [][]string
	gone    map[string]int // rows that left, by table and key
	entries []*journal.Entry
	keys    map[string]int // captured keys of all entries
}

func (o outcome) rows() int64 {
	var n int64
	for _, c := range o.gone {
		n += int64(c)
	}
	return n
}

// blocked is the index of the exchange that was refused, -1 if none.
func (o outcome) blocked() int {
	return slices.IndexFunc(o.answers, func(a []string) bool { return strings.Contains(strings.Join(a, ""), `"RB001"`) })
}

// run runs exchanges in a database of its own, on a direct connection if p is nil.
func (l *lab) run(t *testing.T, setup string, exchanges []messages, p *policy.Policy) outcome {
	t.Helper()
	c := l.cluster
	l.serial++
	db := fmt.Sprintf("%s_%d", l.template, l.serial)
	c.CopyDatabase(t, l.admin, db, l.template)
	defer exec(t, l.admin, "DROP DATABASE "+db+" WITH (FORCE)")
	pgtest.Exec(t, c.URL(db), setup) // as its session ends, the server's statistics know
	direct := connect(t, c.URL(db), pgx.QueryExecModeSimpleProtocol)
	exec(t, direct, "SET timezone = 'UTC'; SET search_path = public")
	before := identities(t, direct)
	target := c.URL(db)
	if p != nil {
		if err := l.judge.SetPolicy(t.Context(), *p); err != nil {
			t.Fatal(err)
		}
		target = fmt.Sprintf("postgres://postgres@%s/%s", l.addr, db)
	}
	o := outcome{answers: talk(t, target, exchanges, db)}
	o.gone = subtract(before, identities(t, direct))
	o.entries, o.keys = l.evidence(t, direct, db)
	if err := direct.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

func exec(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// tableOID differs between databases that a route has made tables in: compared is where
// which of them stands again.
var tableOID = regexp.MustCompile(`"TableOID":[1-9]\d*`)

// tables gives a table's OIDs the numbers of their first appearances.
type tables map[string]string

func (seen tables) number(oid string) string {
	if seen[oid] == "" {
		seen[oid] = fmt.Sprintf(`"TableOID":"table %d"`, len(seen)+1)
	}
	return seen[oid]
}

func talk(t *testing.T, target string, exchanges []messages, db string) [][]string {
	r := dialRaw(t, target)
	defer r.conn.Close()
	var out [][]string
	seen := tables{}
	for _, ms := range exchanges {
		n := 0
		for _, m := range ms {
			r.Send(m)
			switch m.(type) {
			case *pgproto3.Query, *pgproto3.Sync, *pgproto3.FunctionCall:
				n++
			}
		}
		a := r.answers(n)
		for i := range a {
			a[i] = tableOID.ReplaceAllStringFunc(strings.ReplaceAll(a[i], db, "DB"), seen.number)
		}
		out = append(out, a)
	}
	return out
}

// status is the transaction status that an exchange ended with.
func status(answers []string) string {
	if len(answers) == 0 {
		return ""
	}
	return answers[len(answers)-1]
}

func (l *lab) check(t *testing.T, r route) {
	if v := l.cluster.Version(); v < r.since {
		t.Skipf("not run on PostgreSQL %d: it came with %d", v, r.since)
	}
	if v := l.cluster.Version(); v < 15 && strings.HasSuffix(r.name, "statistics wrong") {
		t.Skipf("not run on PostgreSQL %d: its statistics come some time after what they are about", v)
	}
	rounds := map[string][]messages{"raw": r.raw}
	if r.raw == nil {
		rounds = map[string][]messages{"simple": nil, "extended": nil}
		for _, sql := range r.sql {
			rounds["simple"] = append(rounds["simple"], q(sql))
			rounds["extended"] = append(rounds["extended"], cat(pbe(sql), syncMsg))
		}
	}
	for _, round := range slices.Sorted(maps.Keys(rounds)) {
		t.Run(round, func(t *testing.T) {
			l.checkRound(t, r, rounds[round])
		})
	}
}

func (l *lab) checkRound(t *testing.T, r route, exchanges []messages) {
	truth := l.run(t, r.setup, exchanges, nil)
	n := max(truth.rows(), r.peak)
	limits := policy.Uniform(policy.Block, n)
	if r.over == "" {
		within := l.run(t, r.setup, exchanges, &limits)
		for i := range truth.answers {
			equal(t, fmt.Sprintf("limit %d: answers to exchange %d", n, i), within.answers[i], truth.answers[i])
		}
		if !maps.Equal(within.gone, truth.gone) {
			t.Errorf("limit %d: gone %v, want %v", n, within.gone, truth.gone)
		}
	}
	if n == 0 {
		return
	}
	limits = policy.Uniform(policy.Block, n-1)
	over := l.run(t, r.setup, exchanges, &limits)
	at := over.blocked()
	switch {
	case at < 0:
		t.Fatalf("limit %d: not blocked, %d rows gone; last answers %.300q", n-1, over.rows(), over.answers[len(over.answers)-1])
	case over.rows() > n-1:
		t.Errorf("limit %d: blocked, yet %d rows gone", n-1, over.rows())
	case r.peak == 0 && len(over.gone) > 0:
		t.Errorf("limit %d: blocked, yet gone: %v", n-1, over.gone)
	}
	want := strings.NewReplacer(`{"Type":"ReadyForQuery","TxStatus":"T"}`, `{"Type":"ReadyForQuery","TxStatus":"E"}`).Replace(status(truth.answers[at]))
	if r.status != "" {
		want = `*pgproto3.ReadyForQuery {"Type":"ReadyForQuery","TxStatus":"` + r.status + `"}`
	}
	if got := status(over.answers[at]); got != want {
		t.Errorf("limit %d: status %s, want %s", n-1, got, want)
	}
	for i := range at {
		equal(t, fmt.Sprintf("limit %d: answers to exchange %d", n-1, i), over.answers[i], truth.answers[i])
	}
	limits = policy.Uniform(policy.Alert, n-1)
	alert := l.run(t, r.setup, exchanges, &limits)
	for i := range truth.answers {
		equal(t, fmt.Sprintf("alert: answers to exchange %d", i), alert.answers[i], truth.answers[i])
	}
	if !maps.Equal(alert.gone, truth.gone) {
		t.Errorf("alert: gone %v, want %v", alert.gone, truth.gone)
	}
	if n = truth.rows(); n > 0 && r.unseen == "" {
		l.checkEvidence(t, r, alert, n)
	}
}

func (l *lab) checkEvidence(t *testing.T, r route, o outcome, n int64) {
	if len(o.entries) == 0 {
		t.Fatalf("alert: %d rows gone, no entry", n)
	}
	var rows int64
	captured := true
	for _, e := range o.entries {
		if e.Outcome != journal.Committed {
			t.Errorf("alert: entry is %s", e.Outcome)
		}
		rows += e.Rows
		for _, tb := range e.Tables {
			captured = captured && tb.KeysCaptured
			if r.keys && !tb.KeysCaptured {
				t.Errorf("alert: keys of %s not captured: %s", tb.Name, tb.Why)
			}
		}
	}
	if r.peak == 0 && o.entries[0].Alert == "" && len(o.entries) == 1 {
		t.Error("alert: the entry does not say so")
	}
	if r.over == "" && rows != n {
		t.Errorf("alert: entries have %d rows, want %d: %+v", rows, n, o.entries[0].Tables)
	}
	for k, c := range o.keys {
		if c > o.gone[k] {
			t.Errorf("alert: journalled key %q did not leave", k)
		}
	}
	if captured && !maps.Equal(o.keys, o.gone) {
		t.Errorf("alert: journalled %v\nwant %v", o.keys, o.gone)
	}
}

func TestRoutes(t *testing.T) {
	for _, theme := range []struct {
		name   string
		routes []route
	}{{"delete", deleteRoutes}, {"keys", keyRoutes}, {"nested", nestedRoutes}, {"function", functionRoutes}, {"whole tables", tableRoutes}, {"transaction", transactionRoutes}, {"wire", wireRoutes}, {"harmless", harmlessRoutes}, {"newer", newerRoutes}, {"hidden", hiddenRoutes}} {
		t.Run(theme.name, func(t *testing.T) {
			t.Parallel() // a lab each
			l := newLab(t, shop, routesExtra)
			for _, r := range theme.routes {
				t.Run(r.name, func(t *testing.T) { l.check(t, r) })
			}
			t.Logf("%d routes", len(theme.routes))
		})
	}
}
