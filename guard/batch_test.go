package guard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// batch is one statement, prepared under a name and run with each parameter.
func batch(name, sql string, describe bool, params ...string) messages {
	out := messages{&pgproto3.Parse{Name: name, Query: sql}}
	for _, p := range params {
		out = append(out, &pgproto3.Bind{PreparedStatement: name, Parameters: [][]byte{[]byte(p)}})
		if describe {
			out = append(out, &pgproto3.Describe{ObjectType: 'P'})
		}
		out = append(out, &pgproto3.Execute{MaxRows: 1})
	}
	return out
}

// numbers are from … to, as text.
func numbers(from, to int) (out []string) {
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

const (
	onePlain = "DELETE FROM plain WHERE id = $1::int"
	oneOrder = "DELETE FROM orders WHERE id = $1::int"
	left     = "SELECT (SELECT count(*) FROM plain), (SELECT count(*) FROM orders), (SELECT count(*) FROM payments)"
	prepared = "SELECT name FROM pg_prepared_statements ORDER BY name"
)

func TestBatch_EveryAnswerIsTheServers(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	for name, exchange := range map[string][]messages{
		"one table":         {cat(batch("", onePlain, false, numbers(1, 20)...), syncMsg), q(left)},
		"described":         {cat(batch("s", onePlain, true, numbers(1, 20)...), syncMsg), q(left), q(prepared)},
		"none of some":      {cat(batch("s", onePlain, false, "1", "-1", "2", "-2"), syncMsg), cat(batch("t", onePlain, false, "-1", "-2"), syncMsg), q(left)},
		"cascades":          {cat(batch("s", oneOrder, true, numbers(1, 8)...), syncMsg), q(left)},
		"in a block":        {q("BEGIN"), cat(batch("s", oneOrder, false, numbers(1, 8)...), syncMsg), q("SAVEPOINT a"), cat(batch("t", onePlain, false, numbers(1, 8)...), syncMsg), q("ROLLBACK TO a"), q("COMMIT"), q(left)},
		"and more":          {cat(batch("s", oneOrder, false, "1", "2"), batch("t", onePlain, true, "1", "2"), pbe("SELECT 7"), batch("u", oneOrder, false, "3"), syncMsg), q(left)},
		"wrong value":       {cat(batch("s", onePlain, true, "1", "2", "x", "4"), syncMsg), q(left), q(prepared)},
		"wrong first value": {cat(batch("s", oneOrder, false, "x", "2", "3"), syncMsg), q(left), q(prepared)},
		"error":             {cat(batch("s", "DELETE FROM plain WHERE id = $1::int AND 1 / ($1::int - 3) < 9", false, "1", "2", "3", "4"), pbe("SELECT 1"), syncMsg), q(left), q(prepared)},
		"error in a block":  {q("BEGIN"), q("SAVEPOINT a"), cat(batch("s", "DELETE FROM orders WHERE id = $1::int AND 1 / ($1::int - 3) < 9", false, "1", "2", "3", "4"), syncMsg), q(prepared), q("ROLLBACK TO a"), q(prepared), q("COMMIT"), q(left)},
		"foreign key":       {cat(batch("s", "DELETE FROM parent WHERE id = $1::int", false, "2", "1"), syncMsg), q("SELECT count(*) FROM parent")},
		"not prepared":      {cat(messages{&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("1")}}, &pgproto3.Execute{}}, syncMsg)},
		"too few values":    {cat(batch("s", onePlain, false, "1"), messages{&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}}, syncMsg), q(left)},
		"run again":         {cat(batch("s", onePlain, false, "1", "2"), messages{&pgproto3.Execute{}}, syncMsg), q(left)},
		"wrong kind of run": {cat(batch("s", onePlain, false, "1", "2"), messages{&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("3")}}, &pgproto3.Describe{ObjectType: 'S', Name: "s"}, &pgproto3.Execute{}}, syncMsg), q(left)},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, exchange) })
	}
}

// A batch goes to the server in a few exchanges, and each of its keys is on record.
func TestBatch_EveryKeyIsJournalled(t *testing.T) {
	e := newEnv(t, captured(policy.Uniform(policy.Block, 100_000)), shop, "INSERT INTO plain (id) SELECT generate_series(1001, 3000)")
	before := e.keys()
	r := dialRaw(t, e.url)
	for _, m := range cat(batch("s", onePlain, true, numbers(1001, 3000)...), batch("t", oneOrder, false, numbers(1, 20)...), syncMsg) {
		r.Send(m)
	}
	if got := strings.Count(strings.Join(r.answers(1), "\n"), `"CommandTag"`); got != 2020 {
		t.Fatalf("%d answers", got)
	}
	equal(t, "journalled", e.journalled(), minus(before, e.keys()))
	es := e.entries(journal.Filter{})
	if len(es) != 1 || es[0].Outcome != journal.Committed || es[0].XID == "" || len(es[0].Statements) != 2 || !strings.HasSuffix(es[0].Statements[0].Tag, "2000") {
		t.Errorf("%+v", es)
	}
	exchanges, err := sum(e.metrics.Verdict)
	if err != nil || exchanges > 100 {
		t.Errorf("%d exchanges, %v", exchanges, err)
	}
}

// sum is how many observations a histogram has, in all its series.
func sum(h prometheus.Collector) (n uint64, err error) {
	ch := make(chan prometheus.Metric, 100)
	h.Collect(ch)
	close(ch)
	for m := range ch {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			return 0, err
		}
		n += d.GetHistogram().GetSampleCount()
	}
	return n, nil
}

// The one that is too much is refused, and all goes back.
func TestBatch_OverTheLimitIsRefused(t *testing.T) {
	for name, params := range map[string][]string{"in the middle": numbers(1, 20), "the last": numbers(1, 11)} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			before := e.keys()
			r := dialRaw(t, e.url)
			for range 2 {
				for _, m := range cat(batch("", onePlain, false, params...), pbe("SELECT 1"), syncMsg) {
					r.Send(m)
				}
				got := strings.Join(r.answers(1), "\n")
				if strings.Count(got, `"CommandTag"`) != 10 || strings.Count(got, `"RB001"`) != 1 || !strings.Contains(got, `"TxStatus":"I"`) {
					t.Errorf("%s", got)
				}
			}
			equal(t, "keys left", e.keys(), before)
			if es := e.entries(journal.Filter{}); len(es) != 2 || es[0].Outcome != journal.Blocked || es[0].Rows != 1 {
				t.Errorf("%+v", es)
			}
			for _, m := range q(prepared) {
				r.Send(m)
			}
			if got := r.answers(1); slices.ContainsFunc(got, func(m string) bool { return strings.Contains(m, "DataRow") }) {
				t.Errorf("left behind: %q", got)
			}
		})
	}
}

// What was made past the proxy counts for a batch as for one.
func TestBatch_ChangesPastTheProxyAreSeen(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	r := dialRaw(t, e.url)
	send := func(ms messages) string {
		for _, m := range ms {
			r.Send(m)
		}
		return strings.Join(r.answers(1), "\n")
	}
	if got := send(cat(batch("s", onePlain, false, "1", "2"), syncMsg)); strings.Contains(got, "ErrorResponse") {
		t.Fatal(got)
	}
	pgtest.Exec(t, e.direct, "CREATE TABLE more (id int PRIMARY KEY, plain_id int REFERENCES plain ON DELETE CASCADE)", "INSERT INTO more SELECT i, 3 FROM generate_series(1, 50) i")
	before := e.keys()
	again := cat(batch("s", onePlain, false, "3", "4")[1:], syncMsg)
	if got := send(again); !strings.Contains(got, `"40001"`) {
		t.Errorf("%s", got)
	}
	if got := send(again); !strings.Contains(got, `"RB001"`) {
		t.Errorf("%s", got)
	}
	equal(t, "keys left", e.keys(), before)
}

// Rows that triggers remove on the way are counted, for the batch as a whole.
func TestBatch_TriggersCount(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop, `CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM tree WHERE id > 3; RETURN OLD; END $$;
		CREATE TRIGGER wipe AFTER DELETE ON plain FOR EACH ROW EXECUTE FUNCTION wipe()`)
	before := e.keys()
	r := dialRaw(t, e.url)
	for _, m := range cat(batch("s", onePlain, false, "1", "2", "3"), syncMsg) {
		r.Send(m)
	}
	if got := strings.Join(r.answers(1), "\n"); !strings.Contains(got, `"RB001"`) {
		t.Errorf("%s", got)
	}
	equal(t, "keys left", e.keys(), before)
}

// say sends one exchange and returns its answers.
func (r *raw) say(ms ...messages) string {
	r.t.Helper()
	r.post(ms...)
	return strings.Join(r.answers(1), "\n")
}

// post sends, and waits for no answer.
func (r *raw) post(ms ...messages) {
	r.t.Helper()
	for _, m := range cat(ms...) {
		r.Send(m)
	}
	if err := r.Flush(); err != nil {
		r.t.Fatal(err)
	}
}

func fractionPolicy(f float64) policy.Policy {
	p := policy.Uniform(policy.Block, 1000)
	p.Default.Fraction, p.Default.FractionMin = f, 1
	return p
}

// A rule that asks what is left of a table asks it of each of a batch in its turn.
func TestBatch_FractionIsJudgedOneByOne(t *testing.T) {
	for name, x := range map[string]struct {
		sql    string
		params []string
		done   int
		code   string
	}{
		"within":        {"DELETE FROM plain WHERE id BETWEEN $1::int AND $1::int + 4", []string{"1", "11", "21", "31", "41"}, 5, ""},
		"in the middle": {"DELETE FROM plain WHERE id BETWEEN $1::int AND 10 * $1::int", []string{"1", "2", "3", "4"}, 2, "RB001"},
		"the last":      {"DELETE FROM plain WHERE id > 96 - $1::int", []string{"-1", "-2", "-3", "96"}, 3, "RB001"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, captured(fractionPolicy(0.12)), shop)
			before := e.keys()
			r := dialRaw(t, e.url)
			got := r.say(batch("s", x.sql, false, x.params...), syncMsg)
			if n := strings.Count(got, `"CommandTag"`); n != x.done || x.code != "" && !strings.Contains(got, x.code) || x.code == "" && strings.Contains(got, "ErrorResponse") {
				t.Errorf("%d done: %s", n, got)
			}
			if x.code != "" {
				equal(t, "left", e.keys(), before)
			}
			equal(t, "journalled", e.journalled(), minus(before, e.keys()))
		})
	}
}

// Rows of many megabytes come back from each run of a batch.
func TestBatch_MuchComesBack(t *testing.T) {
	p := policy.Uniform(policy.Block, 100_000)
	p.Default.Capture = policy.CaptureRows
	e := newEnv(t, p, "CREATE TABLE wide (id int PRIMARY KEY, "+func() string {
		var c []string
		for i := range 30 {
			c = append(c, fmt.Sprintf("k%d int DEFAULT 1", i))
		}
		return strings.Join(c, ",")
	}()+", t text)", "INSERT INTO wide (id, t) SELECT i, repeat(md5(i::text), 3000) FROM generate_series(1, 900) i")
	r := dialRaw(t, e.url)
	got := r.say(batch("s", "DELETE FROM wide WHERE id BETWEEN $1::int * 2 AND $1::int * 2 + 1", false, numbers(0, 450)...), syncMsg)
	if n := strings.Count(got, `"CommandTag"`); n != 451 || strings.Contains(got, "ErrorResponse") {
		t.Errorf("%d done: %.500s", n, got)
	}
	if es := e.entries(journal.Filter{}); len(es) != 1 || es[0].Rows != 900 {
		t.Errorf("%+v", es)
	}
}
