package diff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

func TestMain(m *testing.M) { pgtest.Main(m, pgtest.Options{Unsafe: true}) }

// lab is production and a copy of it.
type lab struct {
	t                    *testing.T
	name                 string
	production, recovery string
	out                  string
}

func newLab(t *testing.T, sql ...string) *lab {
	t.Helper()
	c := pgtest.Shared(t)
	l := &lab{t: t, name: pgtest.Database(t, sql...), out: filepath.Join(t.TempDir(), "lost")}
	copied := l.name + "_r"
	template, r := l.name, pgtest.Recovery(t)
	if r != c { // another version: a copy is what the same SQL makes again
		template = "template1"
	}
	r.CreateDatabase(t, copied, template)
	t.Cleanup(func() { pgtest.Exec(t, r.URL("postgres"), "DROP DATABASE "+copied+" WITH (FORCE)") })
	l.production, l.recovery = c.URL(l.name), r.URL(copied)
	if r != c {
		pgtest.Exec(t, l.recovery, sql...)
	}
	return l
}

func (l *lab) exec(sql ...string) { l.t.Helper(); pgtest.Exec(l.t, l.production, sql...) }

func (l *lab) diff(o Options) *Report {
	l.t.Helper()
	o.Production, o.Recovery, o.Out = l.production, l.recovery, l.out
	_ = os.Remove(l.out) // of the comparison before
	r, err := Run(l.t.Context(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// is compares a table's numbers: backup, live, lost, recorded, otherwise, new, changed.
func (l *lab) is(r *Report, table, want string) {
	l.t.Helper()
	for _, c := range r.Tables {
		if c.Table == table {
			if got := fmt.Sprint(c.Backup, c.Live, c.Lost, c.Recorded, c.Otherwise, c.New, c.Changed); got != want {
				l.t.Errorf("%s: %s, want %s", table, got, want)
			}
			return
		}
	}
	l.t.Errorf("%s is not in the report: %+v", table, r)
}

// keys are the keys of that state in the file.
func (l *lab) keys(state string) string {
	l.t.Helper()
	text, err := os.ReadFile(l.out)
	if err != nil {
		l.t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		var k struct {
			Key   map[string]any
			State string
		}
		if err := json.Unmarshal([]byte(line), &k); err != nil {
			l.t.Fatalf("%v: %s", err, line)
		}
		if k.State == state {
			out = append(out, fmt.Sprint(k.Key))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestRun_ImpactOfADeletion(t *testing.T) {
	l := newLab(t, `CREATE TABLE orders (id int PRIMARY KEY, note text); CREATE TABLE items (o int REFERENCES orders ON DELETE CASCADE, n int, PRIMARY KEY (o, n));
		INSERT INTO orders SELECT i, 'n' FROM generate_series(-10, 20000) i; INSERT INTO items SELECT i, n FROM generate_series(1, 5000) i, generate_series(1, 2) n`)
	l.exec("DELETE FROM orders WHERE id % 3 = 0; INSERT INTO orders SELECT generate_series(30001, 30010); UPDATE orders SET note = NULL WHERE id IN (1, 2)")
	r := l.diff(Options{})
	l.is(r, "orders", "20011 13351 6670 0 0 10 0")
	l.is(r, "items", "10000 6668 3332 0 0 0 0")
	if r.Lost != 10002 || r.Clean() || r.Tables[0].Table != "orders" {
		t.Errorf("%+v", r)
	}
	if keys := l.keys("lost"); strings.Count(keys, "map") != 10002 || !strings.Contains(keys, "map[n:2 o:3]") {
		t.Errorf("the file has %d keys", strings.Count(keys, "map"))
	}
	r = l.diff(Options{Rows: true, Tables: []string{"orders"}})
	l.is(r, "orders", "20011 13351 6670 0 0 10 2")
	if got := l.keys("changed"); got != "map[id:1] map[id:2]" {
		t.Errorf("changed: %s", got)
	}
	var text strings.Builder
	r.WriteText(&text)
	for _, want := range []string{"records lost", "33.3", "6,670 rows lost", "--from-diff " + l.out} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

// The servers sort keys in different ways; the comparison does not.
func TestRun_KeysOfAnyKind(t *testing.T) {
	kinds := []struct{ typ, values, gone string }{
		{"int", "-9), (-10), (0), (9), (10), (100", "10"},
		{"bigint", "-9223372036854775808), (9223372036854775807), (0", "9223372036854775807"},
		{"text", "'a'), ('B'), ('b'), ('é'), ('z'), ('Z'), (''), (' a'), (E'a\\\\b\\n\"'), ('😀'), ('\uffee'", "'b'"},
		{`text COLLATE "en-x-icu"`, "'a'), ('B'), ('b'), ('-a'), ('ab'), ('a-c'", "'b'"},
		{"char(5)", "'a'), ('b'), ('a b'", "'a'"},
		{"name", "'a'), ('B'), ('b'", "'B'"},
		{"uuid", "'00000000-0000-0000-0000-0000000000ff'), ('f0000000-0000-0000-0000-000000000000'), ('0a000000-0000-0000-0000-000000000000'", "'0a000000-0000-0000-0000-000000000000'"},
		{"bytea", `'\x'), ('\x00'), ('\x0001'), ('\xff'), ('\x01'`, `'\x0001'`},
		{"numeric", "1.50), (1.5000001), (-3), (100), ('NaN'), (20", "1.50"},
		{"float8", "0.1), (1e300), ('NaN'), ('-Infinity'::float8), (0.3", "0.1"},
		{"date", "'2026-01-01'), ('0044-03-15 BC'), ('infinity'), ('10000-01-01'), ('1999-01-01'", "'0044-03-15 BC'"},
		{"timestamptz", "'2026-01-01 12:00+02'), ('2026-01-01 11:00+00'), ('1900-01-01'", "'2026-01-01 11:00+00'"},
		{"bool", "true), (false", "true"},
		{"inet", "'10.0.0.1'), ('9.0.0.1'), ('::1'", "'9.0.0.1'"},
		{"mood", "'sad'), ('ok'), ('happy'", "'ok'"},
		{"positive", "2), (10), (1", "10"},
		{"feeling", "'sad'), ('ok'), ('happy'", "'ok'"},
		{"feelings", "'sad'), ('ok'), ('happy'", "'ok'"},
		{"feeling[]", "'{sad}'), ('{}'), ('{ok,NULL}'", "'{ok,NULL}'"},
		{"list", "'{1,2}'), ('{}'), ('{10}'", "'{10}'"},
		{"span", "'[1,2)'), ('empty'), ('[10,)'", "'[10,)'"},
		{"pair", "'(1,a)'), ('(,)'), ('(2,)'", "'(2,)'"},
		{"int[]", "'{1,2}'), ('{}'), ('{10}'", "'{10}'"},
	}
	setup := `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE DOMAIN positive AS bigint CHECK (VALUE > 0); CREATE DOMAIN feeling AS mood; CREATE DOMAIN feelings AS feeling;
		CREATE DOMAIN list AS int[]; CREATE DOMAIN span AS int4range; CREATE TYPE two AS (a int, b text); CREATE DOMAIN pair AS two; SET TimeZone = 'UTC'`
	remove := "SET TimeZone = 'UTC'"
	for i, k := range kinds {
		setup += fmt.Sprintf(`; CREATE TABLE t%d (k %s, "n ""2" int, PRIMARY KEY (k, "n ""2"));
			INSERT INTO t%[1]d SELECT k::%[2]s, n FROM (VALUES (%s)) v (k), generate_series(9, 11) n`, i, k.typ, k.values)
		remove += fmt.Sprintf(`; DELETE FROM t%d WHERE k::text = (%s::%s)::text AND "n ""2" = 10`, i, k.gone, k.typ)
	}
	l := newLab(t, setup)
	is := func(r *Report, lost int) {
		t.Helper()
		for i, k := range kinds {
			all := (strings.Count(k.values, "), (") + 1) * 3
			t.Log(k.typ)
			l.is(r, fmt.Sprintf("t%d", i), fmt.Sprintf("%d %d %d 0 0 0 0", all, all-lost, lost))
		}
	}
	is(l.diff(Options{Rows: true}), 0)
	l.exec(remove)
	is(l.diff(Options{}), 1)
	l.restore() // by the keys in the file
	is(l.diff(Options{Rows: true}), 0)
}

// restore takes what the file proposes.
func (l *lab) restore() *recovery.Report {
	l.t.Helper()
	source, err := recovery.FromDiff(l.out)
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := recovery.Restore(l.t.Context(), recovery.Options{Production: l.production, Recovery: l.recovery, Source: source, Journal: l.journal()})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// journal is a fresh one.
func (l *lab) journal() journal.Journal {
	l.t.Helper()
	j, err := journal.Open(context.Background(), l.t.TempDir(), journal.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { j.Close() })
	return j
}

func TestRun_ARowThatLeftTheConditionIsNotLost(t *testing.T) {
	l := newLab(t, `CREATE TABLE t (id int PRIMARY KEY, state text); INSERT INTO t SELECT i, 'open' FROM generate_series(1, 10) i;
		INSERT INTO t SELECT i, 'shut' FROM generate_series(11, 20) i`)
	l.exec("UPDATE t SET state = 'shut' WHERE id < 4; DELETE FROM t WHERE id IN (9, 19)")
	r := l.diff(Options{Where: map[string]string{"t": "state = 'open' -- ; only these"}})
	l.is(r, "t", "10 6 1 0 3 0 0")
	if got := l.keys("lost"); got != "map[id:9]" {
		t.Errorf("lost: %s", got)
	}
	for where, want := range map[string]string{"nonsense": "does not exist", "true) OR (true; DROP TABLE t": "multiple commands"} {
		_, err := Run(t.Context(), Options{Production: l.production, Recovery: l.recovery, Where: map[string]string{"t": where}})
		if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "syntax error") {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// append records a deletion, or a restore, of keys.
func record(t *testing.T, j journal.Journal, kind journal.Kind, outcome journal.Outcome, database, table string, via journal.Via, at string, keys ...string) string {
	t.Helper()
	return recordAs(t, j, kind, outcome, database, table, via, "timestamp with time zone", at, keys...)
}

// recordAs is record where at was of that type.
func recordAs(t *testing.T, j journal.Journal, kind journal.Kind, outcome journal.Outcome, database, table string, via journal.Via, typ, at string, keys ...string) string {
	t.Helper()
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: kind, Outcome: outcome, Database: database, Rows: int64(len(keys)),
		Tables: []journal.Table{{Schema: "public", Name: table, Rows: int64(len(keys)), Via: via, KeysCaptured: true, Key: []journal.Column{{Name: "n", Type: "integer"}, {Name: "at", Type: typ}}}}}
	k := journal.NewKeys(t.TempDir())
	defer k.Close()
	for _, key := range keys {
		if err := k.Add(journal.Row{Values: []*string{&key, &at}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(t.Context(), e, k); err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// The journal's keys are looked up, or read in their order where that is the keys' own.
func TestRun_DeletionsOnRecordAreNotProposed(t *testing.T) {
	t.Run("looked up", func(t *testing.T) {
		onRecord(t, "timestamptz", "2026-01-01T00:00:00+00:00", "2026-01-01 00:00:00+00") // not as PostgreSQL prints it
	})
	t.Run("looked up, a domain over an enum", func(t *testing.T) { onRecord(t, "feeling", "ok", "ok") })
	t.Run("in their order", func(t *testing.T) { onRecord(t, "bigint", "-5", "-5") })
}

// onRecord: at, of the type, is in the journal in one form and printed in another.
func onRecord(t *testing.T, typ, at, printed string) {
	l := newLab(t, fmt.Sprintf(`CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN feeling AS mood; CREATE TABLE t (at %s, n int, PRIMARY KEY (at, n)) PARTITION BY RANGE (n);
		CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (5); CREATE TABLE t2 PARTITION OF t DEFAULT;
		INSERT INTO t SELECT '%s', i FROM generate_series(1, 10) i`, typ, at))
	l.exec("DELETE FROM t")
	j := l.journal()
	rec := func(kind journal.Kind, outcome journal.Outcome, table string, via journal.Via, keys ...string) string {
		return record(t, j, kind, outcome, l.name, table, via, at, keys...)
	}
	rec(journal.Deletion, journal.Committed, "t1", journal.Direct, "1", "2")
	incident := rec(journal.Deletion, journal.Committed, "t", journal.Cascade, "3", "6")
	rec(journal.Restore, journal.Committed, "t", journal.Direct, "2", "6")
	rec(journal.Deletion, journal.Committed, "t2", journal.Direct, "6")
	rec(journal.Deletion, journal.Blocked, "t", journal.Direct, "7")
	rec(journal.Deletion, journal.RolledBack, "t", journal.Direct, "8")
	rec(journal.Deletion, journal.InDoubt, "t", journal.Direct, "9")
	rec(journal.Deletion, journal.Committed, "t", journal.SetNull, "10")
	record(t, j, journal.Deletion, journal.Committed, "elsewhere", "t", journal.Direct, at, "4")

	r := l.diff(Options{Journal: j, Jobs: 1})
	l.is(r, "t", "10 0 7 3 0 0 0")
	n := func(keys string) string { return strings.ReplaceAll(keys, "at:"+printed+" ", "") }
	if got := n(l.keys("recorded")); got != "map[n:1] map[n:3] map[n:6]" {
		t.Errorf("on record: %s", got)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "1 entries of the journal are in doubt") {
		t.Errorf("notes: %q", r.Notes)
	}
	l.is(l.diff(Options{Journal: j, Incidents: []string{incident}}), "t", "10 0 8 2 0 0 0")
	if back := l.restore(); back.Restored != 8 {
		t.Errorf("%d rows restored, 8 were proposed", back.Restored)
	}
}

// What the journal has of a table is read once a row of it is absent, and not before.
func TestRun_EvidenceOfWhatLostNothing(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (at bigint, n int, PRIMARY KEY (at, n)); INSERT INTO t SELECT 1, i FROM generate_series(1, 10) i")
	j := l.journal()
	record(t, j, journal.Deletion, journal.Committed, l.name, "t", journal.Direct, "of another type", "1")
	l.is(l.diff(Options{Journal: j}), "t", "10 10 0 0 0 0 0")
	l.exec("DELETE FROM t WHERE n = 1")
	if r := l.diff(Options{Journal: j}); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "of another type") {
		t.Errorf("a key that is none: %q", r.Notes)
	}
}

// Keys on record that were of another type keep no others away.
func TestRun_EvidenceOfAnotherType(t *testing.T) {
	for typ, at := range map[string]string{"timestamptz": "2026-01-01 00:00:00+00", "bigint": "1"} { // looked up, or read in their order
		t.Run(typ, func(t *testing.T) {
			l := newLab(t, fmt.Sprintf("CREATE TABLE t (at %s, n int, PRIMARY KEY (at, n)); INSERT INTO t SELECT '%s', i FROM generate_series(1, 10) i", typ, at))
			l.exec("DELETE FROM t WHERE n < 4")
			j := l.journal()
			was := func(typ, at string) {
				recordAs(t, j, journal.Deletion, journal.Committed, l.name, "t", journal.Direct, typ, at, "1")
			}
			was(typ, at)
			was("text", "none")
			r := l.diff(Options{Journal: j})
			l.is(r, "t", "10 7 2 1 0 0 0")
			if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "of another type") {
				t.Errorf("notes: %q", r.Notes)
			}
		})
	}
}

func TestRun_NamesWhatItCannotCompare(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE keyless (x int); CREATE TABLE dropped (id int PRIMARY KEY)")
	l.exec("DROP TABLE dropped; CREATE TABLE young (id int PRIMARY KEY)")
	r := l.diff(Options{})
	if text := strings.Join(r.Notes, "\n"); !strings.Contains(text, "public.dropped is not compared: production has no such table any more") || !strings.Contains(text, "public.keyless is not compared: it has no primary key") || r.Clean() {
		t.Errorf("%+v", r)
	}
	for _, o := range []Options{{Tables: []string{"keyless"}}, {Tables: []string{"nowhere"}}, {Tables: []string{"t"}, Where: map[string]string{"keyless": "true"}}, {Tables: []string{"t"}, Where: map[string]string{"t": "nothing < 3"}}, {Tables: []string{"t"}, Where: map[string]string{"t": "id <"}}} {
		o.Production, o.Recovery = l.production, l.recovery
		var refusal *recovery.Refusal
		if _, err := Run(t.Context(), o); !errors.As(err, &refusal) || refusal.Kind != recovery.Usage {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Run(t.Context(), Options{Production: l.production, Recovery: l.recovery, Tables: []string{"dropped"}}); err == nil || !strings.Contains(err.Error(), "pg_dump -t 'public.dropped' RECOVERY | psql PRODUCTION") {
		t.Errorf("%v", err)
	}
	if _, err := Run(t.Context(), Options{Production: l.production, Recovery: l.production}); err == nil || !strings.Contains(err.Error(), "production database itself") {
		t.Errorf("%v", err)
	}
}

func TestRun_AKeyThatIsTwiceStopsIt(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (id int, CONSTRAINT k PRIMARY KEY (id) DEFERRABLE); SET session_replication_role = replica; INSERT INTO t VALUES (1), (1)")
	_, err := Run(t.Context(), Options{Production: l.production, Recovery: l.recovery, Out: l.out})
	if err == nil || !strings.Contains(err.Error(), "a key is there twice") {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(l.out + "*"); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// All tables are read as they were at one moment.
func TestRun_OneSnapshotOnEachSide(t *testing.T) {
	l := newLab(t, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
	r := &run{o: Options{Production: l.production, Recovery: l.recovery}}
	defer r.close()
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.exec("DELETE FROM b")
	if err := errors.Join(r.match(), r.compareAll(t.Context())); err != nil {
		t.Fatal(err)
	}
	if report := r.report(); report.Lost != 0 {
		t.Errorf("%+v", report)
	}
}

// What protect keeps in the database is evidence: that it differs from the backup is no loss.
func TestDiff_LeavesEvidenceAlone(t *testing.T) {
	l := newLab(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE SCHEMA rowback", "CREATE TABLE rowback.entries (id int PRIMARY KEY)",
		"INSERT INTO a VALUES (1)", "INSERT INTO rowback.entries VALUES (1)")
	l.exec("DELETE FROM rowback.entries")
	r := l.diff(Options{})
	l.is(r, "a", "1 1 0 0 0 0 0")
	if len(r.Tables) != 1 {
		t.Errorf("%+v", r.Tables)
	}
	l.is(l.diff(Options{Tables: []string{"rowback.entries"}}), "entries", "1 0 1 0 0 0 0")
}

// A deletion on record of another server explains no loss here, and that is said.
func TestDiff_DeletionsOfAnotherServer(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 9)")
	l.exec("DELETE FROM t WHERE n = 1")
	j := l.journal()
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed, Database: l.name, Rows: 1,
		Server: journal.Server{SystemID: "7300000000000000001", Started: time.Now()}, XID: "900",
		Tables: []journal.Table{{Schema: "public", Name: "t", Rows: 1, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "n", Type: "integer"}}}}}
	k := journal.NewKeys(t.TempDir())
	defer k.Close()
	key := "1"
	if err := errors.Join(k.Add(journal.Row{Values: []*string{&key}}), j.Append(t.Context(), e, k)); err != nil {
		t.Fatal(err)
	}
	if r := l.diff(Options{Journal: j}); r.Lost != 1 || !strings.Contains(strings.Join(r.Notes, "\n"), "1 entries of the journal are of another server") {
		t.Errorf("%+v", r)
	}
}
