package protect_test

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func (l *lab) collect(j journal.Journal, o protect.CollectOptions) protect.Collected {
	l.t.Helper()
	done, err := protect.Collect(context.Background(), catalog.FromConn(l.connect("postgres")), j, o)
	if err != nil {
		l.t.Fatal(err)
	}
	return done
}

func entries(t *testing.T, j journal.Journal) (out []*journal.Entry) {
	t.Helper()
	for e, err := range j.Entries(context.Background(), journal.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// keys of an entry, as 'rowback log --keys' has them.
func keys(t *testing.T, j journal.Journal, e *journal.Entry) (out []string) {
	t.Helper()
	for row, err := range j.Rows(context.Background(), e.ID) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.Tables[row.Table].KeyJSON(row)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	sort.Strings(out)
	return out
}

func TestCollect_OneEntryATransaction(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 1000})
	user := l.role("")
	l.exec("GRANT ALL ON ALL TABLES IN SCHEMA public TO " + user)
	app := l.connect(user)
	before := time.Now().Add(-time.Second)
	if err := try(app, "SET application_name = 'batch ''7'''"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"BEGIN", "DELETE FROM orders WHERE id = 1", "DELETE FROM refunds WHERE id = 2", "SAVEPOINT s", "DELETE FROM refunds WHERE id = 3", "ROLLBACK TO s", "DELETE FROM refunds WHERE id = 4", "DELETE FROM refunds WHERE id = 4", "COMMIT", "TRUNCATE audit_logs"} {
		if err := try(app, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := try(app, "BEGIN; DELETE FROM orders WHERE id = 7; ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	j := l.journal()
	if done := l.collect(j, protect.CollectOptions{Journal: "a"}); done.Entries != 2 {
		t.Errorf("%+v", done)
	}
	all := entries(t, j)
	e := all[1]
	if len(all) != 2 || e.Kind != journal.Deletion || e.Outcome != journal.Committed || e.Database != l.name || e.User != user || e.Application != "batch '7'" ||
		!strings.HasPrefix(e.Client, "127.0.0.1:") || e.XID == "" || e.Proxy != "in-database" || e.Server.Started.IsZero() || e.Time.Before(before) || e.Time.After(time.Now()) || e.Alert != "" {
		t.Errorf("%+v", e)
	}
	var tables, statements []string
	for _, x := range e.Tables {
		tables = append(tables, fmt.Sprint(x.Schema, ".", x.Name, " ", x.Via, " ", x.Rows, " ", x.KeysCaptured, " ", x.Key, x.OID > 0))
	}
	for _, x := range e.Statements {
		statements = append(statements, x.SQL+" → "+x.Tag)
	}
	equal(t, "tables", tables, []string{"public.orders direct 1 true [{id bigint}] true", "public.payments cascade 2 true [{id bigint}] true",
		"public.audit_logs cascade 5 true [{id bigint}] true", "public.refunds cascade 2 true [{id bigint}] true", "public.refunds direct 2 true [{id bigint}] true"})
	equal(t, "statements", statements, []string{"DELETE FROM orders WHERE id = 1 → DELETE 1", "DELETE FROM refunds WHERE id = 2 → DELETE 1", "DELETE FROM refunds WHERE id = 4 → DELETE 1"})
	if got := keys(t, j, e); len(got) != 12 || int64(len(got)) != e.Rows || got[5] != `{"schema":"public","table":"orders","key":{"id":1}}` {
		t.Errorf("%d rows, keys %q", e.Rows, got)
	}
	if x := all[0]; x.Statements[0].Tag != "TRUNCATE TABLE" || x.Tables[0].Via != journal.Truncate || len(keys(t, j, x)) != 495 {
		t.Errorf("%+v", x)
	}
}

func TestCollect_NothingTwiceAndEveryJournalGetsIt(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}})
	for i := range 450 { // more than a batch
		l.exec(fmt.Sprintf("DELETE FROM audit_logs WHERE id = %d", i+1))
	}
	a, b := l.journal(), l.journal()
	for _, c := range []struct {
		journal journal.Journal
		options protect.CollectOptions
		want    int
	}{
		{a, protect.CollectOptions{Journal: "a"}, 450}, {a, protect.CollectOptions{Journal: "a"}, 0}, {b, protect.CollectOptions{Journal: "b"}, 450},
		{a, protect.CollectOptions{Journal: "another name"}, 0}, {a, protect.CollectOptions{Journal: "a", Again: true}, 0},
		{l.journal(), protect.CollectOptions{Journal: "a"}, 0}, {l.journal(), protect.CollectOptions{Journal: "a", Again: true}, 450},
	} {
		if done := l.collect(c.journal, c.options); done.Entries != c.want || done.Rows != int64(c.want) {
			t.Errorf("%+v: %+v, want %d", c.options, done, c.want)
		}
	}
	l.exec("DELETE FROM audit_logs WHERE id = 460")
	if done := l.collect(a, protect.CollectOptions{Journal: "a"}); done.Entries != 1 || len(entries(t, a)) != 451 {
		t.Errorf("%+v", done)
	}
}

func TestCollect_AlertsSayHowManyRows(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 10, Mode: protect.Alert})
	l.exec("DELETE FROM orders", "DROP TABLE refunds")
	j := l.journal()
	l.collect(j, protect.CollectOptions{Journal: "a"})
	all := entries(t, j)
	if len(all) != 2 || all[1].Alert != "DELETE removed 1000 rows (orders 100, payments 200, audit_logs 500, refunds 200), limit 10" || !strings.HasPrefix(all[0].Alert, "DROP TABLE removed about ") {
		t.Errorf("%+v %+v", all[0], all[1])
	}
}

// Keys come back whatever the session's settings, types and names.
func TestCollect_KeysOfEveryKind(t *testing.T) {
	l := newLab(t, oddNames, `CREATE DOMAIN "Dom" AS text; CREATE EXTENSION citext`,
		`CREATE TABLE b (k bytea, u uuid, PRIMARY KEY (k, u)); INSERT INTO b VALUES ('\x00ff5c27', '00000000-0000-0000-0000-000000000001'), ('\x', '00000000-0000-0000-0000-000000000002')`,
		`CREATE TABLE t (k timestamptz, d date, n numeric(20,5), e interval, PRIMARY KEY (k, d, n, e));
		INSERT INTO t VALUES ('infinity', '-infinity', 'NaN', '1 mon'), ('0044-03-15 BC', '0001-01-01 BC', -0.00001, '-1 day -00:00:00.000001')`,
		`CREATE TABLE f (k float8, g real, c char(5), b bit(3), x citext, d "Dom", PRIMARY KEY (k, g, c, b, x, d)); INSERT INTO f VALUES (0.1, 1e-40, 'ab', '101', 'ABC', E'\\''"')`)
	l.install(protect.InstallOptions{All: true})
	backup := map[string]string{}
	for i, name := range []string{`"Ünï.Sch ema"."Ta ""b'\$rowback$"`, "public.b", "public.t", "public.f"} {
		copied := fmt.Sprintf("public.backup_%d", i)
		l.exec("CREATE TABLE "+copied+" AS TABLE "+name, `SET extra_float_digits = 0; SET datestyle = 'German'; SET bytea_output = 'escape'; SET intervalstyle = 'sql_standard'; SET timezone = 'Asia/Kathmandu';
			SET standard_conforming_strings = off; SET quote_all_identifiers = on; SET search_path = ''; DELETE FROM `+name+`; RESET ALL`)
		backup[name] = copied
	}
	j := l.journal()
	l.collect(j, protect.CollectOptions{Journal: "a"})
	found := 0
	for _, e := range entries(t, j) {
		for row, err := range j.Rows(context.Background(), e.ID) {
			if err != nil {
				t.Fatal(err)
			}
			x := e.Tables[row.Table]
			var on []string
			for i, k := range x.Key {
				value := "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(*row.Values[i]) + "'"
				on = append(on, fmt.Sprintf(`"%s" = %s::%s`, strings.ReplaceAll(k.Name, `"`, `""`), value, k.Type))
			}
			name := `"` + x.Schema + `"."` + strings.ReplaceAll(x.Name, `"`, `""`) + `"`
			if x.Schema == "public" {
				name = "public." + x.Name
			}
			if got := l.query("SELECT count(*) FROM " + backup[name] + " WHERE " + strings.Join(on, " AND ")); got[0] != "1" {
				t.Errorf("%s: %v rows with %v", name, got, on)
			}
			found++
		}
	}
	if found != 7 {
		t.Errorf("%d keys, want 7", found)
	}
}

// What is forgotten is old, and in this journal.
func TestCollect_ForgetsWhatIsOldAndCollected(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}})
	l.exec("DELETE FROM refunds WHERE id = 1", "DELETE FROM refunds WHERE id = 2", "UPDATE rowback.evidence SET at = at - interval '2 days' WHERE id = 1")
	a, b := l.journal(), l.journal()
	l.collect(a, protect.CollectOptions{Journal: "a", Forget: 72 * time.Hour})
	equal(t, "evidence", l.evidence(), []string{"public.refunds direct 1 1", "public.refunds direct 1 1"})
	l.exec("UPDATE rowback.evidence SET collected = '{}'")
	l.collect(b, protect.CollectOptions{Journal: "b"})
	l.exec("UPDATE rowback.evidence SET at = at - interval '2 days'", "DELETE FROM refunds WHERE id = 3", "UPDATE rowback.evidence SET at = at - interval '2 days' WHERE id = 3")
	l.collect(b, protect.CollectOptions{Journal: "b", Forget: 24 * time.Hour})
	if got := l.query("SELECT (SELECT count(*) FROM rowback.evidence), (SELECT count(*) FROM rowback.evidence_key)"); got[0] != "0|0" || len(entries(t, b)) != 3 {
		t.Errorf("%v", got)
	}
}

// A standby, or a role that may only read, brings the evidence in all the same.
func TestCollect_WithoutTheRightToMark(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}})
	l.exec("DELETE FROM refunds WHERE id = 1")
	reader := l.role("")
	l.exec("GRANT USAGE ON SCHEMA rowback TO "+reader, "GRANT SELECT ON ALL TABLES IN SCHEMA public, rowback TO "+reader)
	j := l.journal()
	for _, want := range []int{1, 0} {
		done, err := protect.Collect(context.Background(), catalog.FromConn(l.connect(reader)), j, protect.CollectOptions{Journal: "a"})
		if !errors.Is(err, protect.ErrUnmarked) || done.Entries != want {
			t.Errorf("%+v, %v", done, err)
		}
	}
	if _, err := protect.Collect(context.Background(), catalog.FromConn(l.connect(l.role(""))), j, protect.CollectOptions{}); err == nil {
		t.Error("a role without rights collected")
	}
}

func TestCollect_WithoutTheGuardDoesNothing(t *testing.T) {
	l := &lab{t: t, name: pgtest.Database(t)}
	l.conn = l.connect("postgres")
	if done := l.collect(l.journal(), protect.CollectOptions{}); done != (protect.Collected{}) {
		t.Errorf("%+v", done)
	}
}
