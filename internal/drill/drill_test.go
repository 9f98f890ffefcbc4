package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/built"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/recovery"
)

var made struct {
	once    sync.Once
	dir     string
	program string
	err     error
}

// program is rowback, built from this tree.
func program(t *testing.T) string {
	t.Helper()
	made.once.Do(func() {
		if made.dir, made.err = os.MkdirTemp("", "rowback-drill-test-"); made.err == nil {
			made.program, made.err = built.Program(context.Background(), made.dir)
		}
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made.program
}

func TestMain(m *testing.M) {
	code := pgtest.Run(m, pgtest.Options{Unsafe: true})
	_ = os.RemoveAll(made.dir)
	os.Exit(code)
}

// dumped is the dump of a database that sql makes.
func dumped(t *testing.T, sql string) string {
	t.Helper()
	c := pgtest.Shared(t)
	path := filepath.Join(t.TempDir(), "dump")
	if out, err := c.Client(t, "pg_dump", "-Fc", "-f", path, c.URL(pgtest.Database(t, sql))).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

const shopSQL = `
	CREATE TABLE customers (id int PRIMARY KEY, name text);
	CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, note text);
	CREATE TABLE items (o int REFERENCES orders ON DELETE CASCADE, n int, PRIMARY KEY (o, n));
	CREATE TABLE notes (id int PRIMARY KEY, o int REFERENCES orders ON DELETE SET NULL);
	INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 500) i;
	INSERT INTO orders (customer, note) SELECT 1 + i % 500, repeat('x', i % 50) FROM generate_series(1, 5000) i;
	INSERT INTO items SELECT i, n FROM generate_series(1, 5000) i, generate_series(1, 4) n;
	INSERT INTO notes SELECT i, i FROM generate_series(1, 700) i`

func TestRun_EveryRoundIsRestored(t *testing.T) {
	r, err := Run(t.Context(), Options{Dump: dumped(t, shopSQL), Program: program(t), Rounds: 8, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	killed, removed := map[string]int{}, int64(0)
	for _, x := range r.Rounds {
		killed[x.Kill]++
		removed += x.Removed
		if !x.OK || x.Lost != 0 || x.Restored != x.Removed {
			t.Errorf("%+v", x)
		}
	}
	if !r.Passed() || r.RPO != 0 || killed[killProxy] != 2 || killed[killServer] != 2 {
		t.Errorf("%+v", r)
	}
	// The worst is everything that cascades from the customers.
	if first := r.Rounds[0]; first.Kind != "worst" || first.Removed != 500+5000+20000 {
		t.Errorf("%+v", first)
	}
}

// On clones, as a role that is no superuser and has a password; what else is on
// the server stays. Autovacuum, slow and eager, is in every database: it is not the role's to end.
func TestRun_OnClones(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true, Settings: []string{"autovacuum_naptime=1s", "autovacuum_max_workers=8",
		"autovacuum_analyze_threshold=1", "autovacuum_vacuum_insert_threshold=1", "autovacuum_vacuum_cost_limit=1", "autovacuum_vacuum_cost_delay=100ms"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	const name = "shop"
	c.CreateDatabase(t, name, "template1")
	pgtest.Exec(t, c.URL(name), shopSQL)
	pgtest.Exec(t, c.URL("postgres"), "CREATE ROLE driller LOGIN CREATEDB PASSWORD 'o''d%d'")
	for _, table := range []string{"customers", "orders", "items", "notes"} {
		pgtest.Exec(t, c.URL(name), "ALTER TABLE "+table+" OWNER TO driller")
	}
	pgtest.Exec(t, c.URL("postgres"), "ALTER DATABASE "+name+" OWNER TO driller", "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	databases := func() (names string) {
		conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
		if err == nil {
			err = errors.Join(conn.QueryRow(t.Context(), "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database").Scan(&names), conn.Close(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	was := databases()
	o := Options{Template: c.UserURL("driller", "o'd%d", name), Program: program(t), Rounds: 8, Seed: 7}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	killed := map[string]int{}
	for _, x := range r.Rounds {
		killed[x.Kill]++
		if !x.OK || x.Lost != 0 || x.Restored != x.Removed {
			t.Errorf("%+v", x)
		}
	}
	if !r.Passed() || r.Template != name || killed[killProxy] != 2 || killed[killSessions] != 2 || r.Rounds[0].Removed != 500+5000+20000 {
		t.Errorf("%+v", r)
	}
	if is := databases(); is != was {
		t.Errorf("databases were %s, are %s", was, is)
	}

	itself := o
	itself.Production = c.URL(name)
	if _, err := Run(t.Context(), itself); err == nil || !strings.Contains(err.Error(), "is the production database itself") {
		t.Errorf("production: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), c.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "while others use it") {
		t.Errorf("in use: %v", err)
	}
	if is := databases(); is != was {
		t.Errorf("databases were %s, are %s", was, is)
	}
}

// What a trigger does beside the deletion is not undone: the drill must say so.
func TestRun_FindsWhatARestoreDoesNotUndo(t *testing.T) {
	r, err := Run(t.Context(), Options{Dump: dumped(t, `
		CREATE TABLE totals (id int PRIMARY KEY, n int); INSERT INTO totals VALUES (1, 100);
		CREATE TABLE things (id int PRIMARY KEY); INSERT INTO things SELECT generate_series(1, 100);
		CREATE FUNCTION less() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE totals SET n = n - 1; RETURN OLD; END $$;
		CREATE TRIGGER less AFTER DELETE ON things FOR EACH ROW EXECUTE FUNCTION less()`), Program: program(t), Rounds: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	x := r.Rounds[0]
	if r.Passed() || x.Table != "public.things" || x.Restored != 100 || x.Changed != 1 {
		t.Errorf("%+v", r)
	}
	var text, page, doc bytes.Buffer
	r.WriteText(&text)
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&doc); err != nil || !json.Valid(doc.Bytes()) {
		t.Errorf("%v: %s", err, doc.String())
	}
	for _, out := range []string{text.String(), page.String()} {
		if !strings.Contains(out, "1 row not as before") || !strings.Contains(out, "public.things") {
			t.Errorf("%s", out)
		}
	}
}

func TestRun_NothingToRehearseOn(t *testing.T) {
	for sql, why := range map[string]string{
		"CREATE TABLE t (id int PRIMARY KEY)":               "holds no rows: there is nothing to rehearse",
		"CREATE TABLE t (id int); INSERT INTO t VALUES (1)": "no table with rows that can be told apart",
	} {
		_, err := Run(t.Context(), Options{Dump: dumped(t, sql), Program: program(t), Rounds: 1})
		var refusal *recovery.Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
