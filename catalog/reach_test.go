package catalog

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
)

// reachFixture is there for every case: victim has ten rows. REFRESH and the like run
// with a search_path of pg_catalog alone since PostgreSQL 17: names carry their schema.
const reachFixture = `
CREATE TABLE victim (id int PRIMARY KEY, v int);
INSERT INTO victim SELECT i, i FROM generate_series(1, 10) i;
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION purge() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM public.victim; RETURN 1; END$$;
CREATE FUNCTION purge_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM purge(); RETURN coalesce(NEW, OLD); END$$;
CREATE FUNCTION harmless() RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM victim';
`

// TestReach runs each case's statement on the server: whether victim loses rows
// is the server's word. Those that do must name something in Reach; those that
// do not say which names must stay out.
func TestReach(t *testing.T) {
	conn := database(t, reachFixture)
	for _, c := range reachCases {
		t.Run(c.name, func(t *testing.T) {
			pgtest.Since(t, c.since, "it")
			defer run(t, conn, "ROLLBACK")
			run(t, conn, "BEGIN;"+c.setup)
			s := load(t, conn)
			before := victims(t, conn)
			run(t, conn, c.statement)
			deleted := victims(t, conn) < before
			if deleted == c.harmless {
				t.Fatalf("the server's word: deleted %v", deleted)
			}
			check(t, "Names", s.Reach.Names, c.names, c.absent)
			check(t, "Reads", s.Reach.Reads, c.reads, c.notReads)
			check(t, "Unseen", s.Reach.Unseen, c.unseen, c.seen)
			if got := s.Reach.Everything != ""; got != c.everything {
				t.Errorf("Everything = %q", s.Reach.Everything)
			}
			if got := s.Reach.DDL != ""; got != c.ddl {
				t.Errorf("DDL = %q", s.Reach.DDL)
			}
			if deleted && !c.everything && !c.ddl && !namesOne(c.statement, s.Reach.Names) {
				t.Errorf("the statement deletes and names nothing in Reach: %v", s.Reach.Names)
			}
		})
	}
}

// namesOne reports whether a statement contains a name of Reach, as the guard looks for them.
func namesOne(sql string, names map[string]Why) bool {
	for n := range names {
		if strings.Contains(Fold(sql), n) {
			return true
		}
	}
	return false
}

func check(t *testing.T, what string, got map[string]Why, in, out string) {
	t.Helper()
	for _, n := range strings.Fields(in) {
		if got[n] == "" {
			t.Errorf("%s lacks %s: %v", what, n, got)
		}
	}
	for _, n := range strings.Fields(out) {
		if why, ok := got[n]; ok {
			t.Errorf("%s has %s: %s", what, n, why)
		}
	}
}

func victims(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(context.Background(), "SELECT count(*) FROM victim").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
