package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// What was deleted around the proxy is in the log, and comes back from there.
func TestProtect_RestoresWhatWentAroundTheProxy(t *testing.T) {
	s := newShop(t, `CREATE TABLE orders (id bigint PRIMARY KEY, note text); CREATE TABLE payments (id int, o bigint REFERENCES orders ON DELETE CASCADE, PRIMARY KEY (o, id));
		CREATE TABLE days (d timestamptz, n int, PRIMARY KEY (d, n)) PARTITION BY LIST (n); CREATE TABLE days_1 PARTITION OF days FOR VALUES IN (1); CREATE TABLE days_2 PARTITION OF days DEFAULT;
		INSERT INTO orders SELECT i, 'o' || i FROM generate_series(1, 3000) i; INSERT INTO payments SELECT i, i FROM generate_series(1, 3000) i;
		INSERT INTO days SELECT '2026-01-01Z'::timestamptz + i * interval '1.5 s', i % 3 FROM generate_series(1, 90) i`)
	was := s.content()
	s.rowback(0, "protect", "install", "--production", s.direct, "--all", "--threshold", "100", "--mode", "alert")
	s.rowback(0, "protect", "status", "--production", s.direct)
	pgtest.Exec(t, s.direct, "SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; BEGIN; DELETE FROM orders WHERE id > 500; DELETE FROM days WHERE n = 0; DELETE FROM days_1; COMMIT")
	pgtest.Exec(t, s.direct, "TRUNCATE days")

	var ids []string
	for line := range strings.Lines(s.rowback(0, "log", "--output", "json", "--production", s.direct)) {
		var e struct {
			ID, Proxy, Outcome, Alert string
			Rows                      int
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, e.ID); e.Proxy != "in-database" || e.Outcome != "committed" || e.Rows != []int{30, 5060}[len(ids)-1] {
			t.Errorf("%+v", e)
		}
	}
	if len(ids) != 2 {
		t.Fatalf("%q", ids)
	}
	for i, want := range []int64{30, 5060} {
		if r := s.restore(0, ids[i]); r.Restored != want {
			t.Errorf("%d restored, want %d", r.Restored, want)
		}
	}
	now := s.content()
	for row := range now {
		if strings.HasPrefix(row, "rowback.") {
			delete(now, row)
		}
	}
	if d := differ(now, was); len(d) > 0 {
		t.Errorf("%d rows differ: %.500q", len(d), d)
	}
	// Straight from the database, by filter, without a look at the log before.
	pgtest.Exec(t, s.direct, "DELETE FROM payments WHERE id <= 20")
	if r := s.restore(0, "--table", "payments", "--since", "1h"); r.Restored != 20 {
		t.Errorf("%+v", r)
	}
	if got := s.rowback(0, "protect", "collect", "--production", s.direct); !strings.HasPrefix(got, "0 new") {
		t.Errorf("%q", got)
	}
	// A production server that is away is told of, and keeps nobody from the log.
	if out, stderr, code := s.try("log", "--production", "127.0.0.1:1"); code != 0 || !strings.Contains(out, ids[0]) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
}

// So do the links of rows that stayed: those that SET NULL cut around the proxy.
func TestProtect_RestoresLinksCutAroundTheProxy(t *testing.T) {
	s := newShop(t, `CREATE TABLE country (id int PRIMARY KEY); CREATE TABLE city (id int PRIMARY KEY, country int NOT NULL REFERENCES country ON DELETE CASCADE);
		CREATE TABLE customer (id int PRIMARY KEY, city int REFERENCES city ON DELETE SET NULL);
		INSERT INTO country SELECT generate_series(1, 5); INSERT INTO city SELECT i, 1 + i % 5 FROM generate_series(1, 50) i; INSERT INTO customer SELECT i, 1 + i % 50 FROM generate_series(1, 600) i`)
	was := s.content()
	s.rowback(0, "protect", "install", "--production", s.direct, "--table", "country", "--threshold", "100000")
	pgtest.Exec(t, s.direct, "DELETE FROM country WHERE id IN (1, 2)")
	var e struct{ ID string }
	if err := json.Unmarshal([]byte(s.rowback(0, "log", "--output", "json", "--production", s.direct)), &e); err != nil {
		t.Fatal(err)
	}
	if r := s.restore(0, e.ID); r.Restored != 22 {
		t.Errorf("%+v", r)
	}
	now := s.content()
	for row := range now {
		if strings.HasPrefix(row, "rowback.") {
			delete(now, row)
		}
	}
	if d := differ(now, was); len(d) > 0 {
		t.Errorf("%d rows differ: %.500q", len(d), d)
	}
}
