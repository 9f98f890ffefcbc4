package pgjournal_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/pgjournal"
)

func TestOpen_Refused(t *testing.T) {
	c := pgtest.Shared(t)
	empty, foreign, newer := c.URL(pgtest.Database(t)), c.URL(pgtest.Database(t, "CREATE SCHEMA rowback_journal CREATE TABLE x (y int)")), c.URL(pgtest.Database(t))
	openAt(t, newer, journal.Options{})
	pgtest.Exec(t, newer, "UPDATE rowback_journal.journal SET version = 99")
	name := pgtest.Database(t)
	readOnly := c.URL(name)
	pgtest.Exec(t, readOnly, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	for name, x := range map[string]struct {
		url  string
		o    journal.Options
		want error
		says string
	}{
		"none":      {empty, journal.Options{MustExist: true}, journal.ErrNoJournal, "--journal"},
		"foreign":   {foreign, journal.Options{}, journal.ErrForeign, "another database"},
		"newer":     {newer, journal.Options{}, journal.ErrNewer, "upgrade"},
		"gone":      {"postgres://u:SECRET@127.0.0.1:1/db", journal.Options{}, nil, "127.0.0.1:1/db cannot be reached"},
		"none such": {c.URL("nowhere"), journal.Options{}, nil, "there is no database nowhere; make it there (CREATE DATABASE \"nowhere\")"},
		"read only": {strings.Replace(readOnly, "sslmode=disable", "sslmode=prefer", 1), journal.Options{}, journal.ErrAway, "is read only: name the primary"},
		"absurd":    {"postgres://u:SECRET@h/db?sslmode=perhaps", journal.Options{}, nil, "cannot be used"},
		"key":       {empty, journal.Options{Key: []byte("short")}, nil, "a key of 5 bytes"},
	} {
		j, err := pgjournal.Open(t.Context(), x.url, x.o)
		if err == nil {
			j.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if x.want != nil && !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who may only read gets a reader where one is wanted, and is told what to do else.
func TestOpen_Reader(t *testing.T) {
	c := pgtest.Shared(t)
	url := c.URL(pgtest.Database(t))
	j := openAt(t, url, journal.Options{})
	e := newEntry()
	if err := j.Append(t.Context(), e, twoKeys(t)); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, c.URL("postgres"), "DROP ROLE IF EXISTS auditor", "CREATE ROLE auditor LOGIN")
	pgtest.Exec(t, url, "GRANT USAGE ON SCHEMA rowback_journal TO auditor", "GRANT SELECT ON ALL TABLES IN SCHEMA rowback_journal TO auditor")
	as := strings.Replace(url, "postgres@", "auditor@", 1)
	reader := openAt(t, as, journal.Options{Reader: true, MustExist: true})
	if got, err := reader.Entry(t.Context(), e.ID); err != nil || got.ID != e.ID {
		t.Error(err)
	}
	writer := openAt(t, as, journal.Options{})
	for _, j := range []journal.Journal{reader, writer} {
		if err := j.Append(t.Context(), newEntry(), nil); !errors.Is(err, journal.ErrReadOnly) {
			t.Errorf("Append: %v", err)
		}
		if err := j.Ping(t.Context()); !errors.Is(err, journal.ErrReadOnly) {
			t.Errorf("Ping: %v", err)
		}
	}
}

// A server that loses what it confirms is no place for evidence.
func TestOpen_Durability(t *testing.T) {
	c := pgtest.Shared(t)
	url := c.URL(pgtest.Database(t))
	openAt(t, url, journal.Options{})
	setting := func(sql string) {
		pgtest.Exec(t, c.URL("postgres"), sql, "SELECT pg_reload_conf()")
	}
	shows := func(name string) (value string) {
		conn, err := pgx.Connect(t.Context(), url)
		if err == nil {
			err = conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value)
			conn.Close(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	defer eventually(t, "fsync on", func() bool { return shows("fsync") == "on" })
	defer setting("ALTER SYSTEM RESET fsync")
	setting("ALTER SYSTEM SET fsync = off")
	eventually(t, "fsync off", func() bool { return shows("fsync") == "off" })
	if j, err := pgjournal.Open(t.Context(), url, journal.Options{}); !errors.Is(err, pgjournal.ErrNotDurable) {
		t.Errorf("with fsync off: %v, %v", j, err)
	}
	openAt(t, url, journal.Options{Reader: true})
}

// Evidence waits for the disk whatever is the role's default; an outcome does not.
func TestAppend_Synchronous(t *testing.T) {
	c := pgtest.Shared(t)
	name := pgtest.Database(t)
	pgtest.Exec(t, c.URL("postgres"), "ALTER DATABASE "+name+" SET synchronous_commit = off")
	j := openAt(t, c.URL(name), journal.Options{})
	pgtest.Exec(t, c.URL(name),
		"CREATE TABLE public.seen (what text, setting text)",
		"CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (TG_OP || ' ' || TG_TABLE_NAME, current_setting('synchronous_commit')); RETURN NULL; END $$",
		"CREATE CONSTRAINT TRIGGER see AFTER INSERT OR UPDATE ON rowback_journal.entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.see()")
	e := newEntry()
	if err := errors.Join(j.Append(t.Context(), e, twoKeys(t)), j.Settle(t.Context(), e.ID, journal.Committed)); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), c.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var seen string
	if err := conn.QueryRow(t.Context(), "SELECT string_agg(what || ' ' || setting, ', ' ORDER BY what) FROM public.seen").Scan(&seen); err != nil {
		t.Fatal(err)
	}
	if seen != "INSERT entry on, UPDATE entry off" {
		t.Error(seen)
	}
}

// If the schema is dropped while it is open, a new journal is begun.
func TestSchema_DroppedInUse(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	for _, write := range []func(journal.Journal) error{
		func(j journal.Journal) error { return j.Append(t.Context(), newEntry(), twoKeys(t)) },
		func(j journal.Journal) error { return j.Ping(t.Context()) },
	} {
		j := openAt(t, url, journal.Options{})
		if err := j.Append(t.Context(), newEntry(), nil); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, url, "DROP SCHEMA rowback_journal CASCADE")
		if err := write(j); err != nil {
			t.Error(err)
		}
		if err := j.Append(t.Context(), newEntry(), twoKeys(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestAlive(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	tool := openAt(t, url, journal.Options{})
	a, b := openAt(t, url, journal.Options{Proxy: "a"}), openAt(t, url, journal.Options{Proxy: "b"})
	if x, y := a.(journal.Fleet).Identity(), tool.(journal.Fleet).Identity(); x == "" || x != y {
		t.Errorf("identities %q and %q", x, y)
	}
	is := func(want ...string) func() bool {
		return func() bool {
			alive, err := tool.(journal.Fleet).Alive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range want {
				if !alive[n] {
					return false
				}
			}
			return len(alive) == len(want)
		}
	}
	if !is("a", "b")() {
		t.Error("a and b are not seen")
	}
	b.Close()
	eventually(t, "b gone", is("a"))
	// a, cut off, comes back by itself.
	pgtest.Exec(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rowback a'")
	eventually(t, "a back", is("a"))
	if err := a.Append(t.Context(), newEntry(), nil); err != nil {
		t.Error(err)
	}
}
